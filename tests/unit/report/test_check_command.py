"""The command: exit codes, what it prints, and the files that it writes."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.check_files import predicted, write_artifact, write_rows, write_schema
from support.labelled import orders
from typer.testing import CliRunner, Result

from taxi_domain.errors import FieldError
from taxi_report.collect.log_rows import json_of_where, where_of
from taxi_report.main import app

SCHEMA = orders()
NEW = predicted(SCHEMA, 1500, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("command")
    write_schema(SCHEMA, path)
    write_artifact(path / "reference.tar", SCHEMA, predicted(SCHEMA, 4000, 1))
    write_rows(path / "rows.parquet", SCHEMA, NEW)
    (path / "strict.toml").write_text("[columns.weight]\nmax_score = 0.0001\n")
    return path


def run(*options: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, options)])


def given(folder: Path) -> tuple[object, ...]:
    return "--reference", folder / "reference.tar", "--data", folder / "rows.parquet"


def test_conditions_that_are_met_end_with_0(folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "check.json", tmp_path / "check.html"

    found = run(*given(folder), "--json", files[0], "--html", files[1])

    assert found.exit_code == 0
    assert "conditions met: 1,500 of 1,500 rows compared" in found.stdout
    document = json.loads(files[0].read_bytes())
    assert document["verdict"] == "conditions met"
    page = files[1].read_text()
    assert "conditions met" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_conditions_that_are_not_met_end_with_3_and_all_is_written(
    folder: Path, tmp_path: Path
) -> None:
    files = tmp_path / "check.json", tmp_path / "check.html"
    options = ("--checks", folder / "strict.toml", "--json", files[0], "--html", files[1])

    found = run(*given(folder), *options)
    first = [path.read_bytes() for path in files]
    again = run(*given(folder), *options)

    assert (found.exit_code, again.exit_code) == (3, 3)
    assert "conditions not met" in found.stdout
    assert json.loads(first[0])["verdict"] == "conditions not met"
    assert b"Distribution of weight" in first[1]
    assert [path.read_bytes() for path in files] == first


@pytest.mark.parametrize(
    "options",
    [
        ("--reference", "nothing", "--data", "x"),
        ("--reference", "reference.tar"),
        ("--reference", "reference.tar", "--data", "rows.parquet", "--last", "1d"),
        ("--reference", "rows.parquet", "--data", "rows.parquet"),
        ("--reference", "reference.tar", "--last", "1d", "--where", "[]"),
        ("--reference", "reference.tar", "--data", "rows.parquet", "--prediction-column", "weight"),
        ("--reference", "m@champion", "--data", "rows.parquet"),
    ],
)
def test_options_that_cannot_be_used_end_with_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TAXI_MONGODB_URI", raising=False)

    assert run(*options).exit_code == 2


def test_a_task_takes_files_or_rows_of_the_log_and_never_passes_over_one() -> None:
    from taxi_report.prefect import check_data

    with pytest.raises(FieldError, match="--last: is given beside --data"):
        check_data.fn("reference.tar", "rows.parquet", last="24h")
    with pytest.raises(FieldError, match="--data: is missing"):
        check_data.fn("reference.tar")


def test_what_cannot_be_read_ends_with_1(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "rows.parquet"
    broken.write_bytes((folder / "rows.parquet").read_bytes()[:-100])
    out = tmp_path / "check.json"

    found = run("--reference", folder / "reference.tar", "--data", broken, "--json", out)

    assert found.exit_code == 1
    assert not out.exists()
    assert run(*given(folder), "--checks", tmp_path / "none").exit_code == 1
    assert run(*given(folder), "--json", tmp_path / "none" / "a.json").exit_code == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no filter in JSON"),
        ('{"prediction": NaN}', r"is no filter in JSON \(NaN is not JSON\)"),
        ('{"prediction": {"$gt": -Infinity}}', "is no filter in JSON"),
        ('{"prediction": 9223372036854775808}', "is no filter in JSON"),
        (r'{"a\u0000b": 1}', "is no filter in JSON"),
        (r'{"model_role": "\ud800"}', "is no filter in JSON"),
        ('{"model_role": "\ud800"}', "is no filter in JSON"),
        ('{"a":' * 100_000, "is no filter in JSON"),
        ('{"ts": {"$date": "yesterday"}}', "is no filter in JSON"),
        ('{"ts": {"$date": {"$numberLong": "9223372036854775808"}}}', "is no filter in JSON"),
        ('{"_id": {"$oid": 5}}', "is no filter in JSON"),
        ('{"$date": "2021-03-01T00:00:00Z"}', "is no object"),
        ("[1]", "is no object"),
        ('{"$where": "sleep(1)"}', r"has \$where, which runs code"),
        ('{"x": [{"y": {"$code": "sleep(1)"}}]}', r"has \$code, which runs code"),
        ('{"x": {"$code": "a"}, "x": 1}', r"has \$code, which runs code"),
        ('{"$expr": {"$accumulator": {}}}', r"has \$accumulator, which runs code"),
        ('{"$or": [{"x": {"$expr": {"$function": {}}}}]}', r"has \$function, which runs code"),
    ],
)
def test_a_filter_that_is_none_or_runs_code_is_refused(text: str, problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        where_of(text)


def test_a_filter_is_an_object() -> None:
    assert where_of("") == {}
    assert where_of('{"inputs.weight": {"$gt": 3}}') == {"inputs.weight": {"$gt": 3}}


def test_a_filter_has_the_values_of_extended_json() -> None:
    text = '{"event_time": {"$gte": {"$date": "2021-03-01T08:00:00Z"}}}'

    found = where_of(text)

    moment = found["event_time"]["$gte"]
    assert moment.replace(tzinfo=UTC) == datetime(2021, 3, 1, 8, tzinfo=UTC)
    assert json_of_where(found) == json.loads(text)
    # As an operator it may have others beside it.
    beside = {"model_version": {"$regex": "^a", "$ne": "ab"}}
    assert where_of(json.dumps(beside)) == beside


def test_a_kill_while_files_are_written_leaves_whole_ones(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "check.json"
    command = ["check", *map(str, given(folder)), "--json", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    whole = out.read_bytes()
    program = (
        "import os, signal, sys\n"
        "real = os.fsync\n"
        "def kill(file):\n"
        "    real(file)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.fsync = kill\n"
        "from taxi_report.main import app\n"
        "app()\n"
    )

    process = subprocess.run(
        [sys.executable, "-c", program, *command, "--checks", str(folder / "strict.toml")],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, check=False,
    )  # fmt: skip

    assert process.returncode == -signal.SIGKILL
    assert out.read_bytes() == whole
    assert CliRunner().invoke(app, command).exit_code == 0
    assert out.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [out]
