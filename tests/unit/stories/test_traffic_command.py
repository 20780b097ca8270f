"""`make traffic` with bad input: one line and an exit code, no traceback."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from taxi_stories.main import app
from taxi_stories.progress import Progress
from taxi_stories.story import SAMPLES
from taxi_stories.traffic import exit_code

RIDES = str(SAMPLES / "green-2021-02-head.parquet")


def outcome(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["traffic", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


def test_no_such_file() -> None:
    code, text = outcome("nothing.parquet")

    assert code == 1
    assert "nothing.parquet: no such file" in text


def test_a_file_of_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")

    code, text = outcome(str(tmp_path / "other.parquet"))

    assert code == 1
    assert "other.parquet: has no column lpep_pickup_datetime" in " ".join(text.split())


@pytest.mark.parametrize("option", ["--rate", "--batch-size", "--label-delay", "--limit"])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e12", "x"])
def test_a_senseless_number_is_refused_by_name(option: str, text: str) -> None:
    code, printed = outcome(RIDES, option, text)

    assert code == 2
    assert option in printed


@pytest.mark.parametrize("words", [("--rate", "-1"), ("--batch-size", "0"), ("--limit", "-1")])
def test_impossible_options(words: tuple[str, str]) -> None:
    assert outcome(RIDES, *words)[0] == 2


def test_exit_code_tells_when_every_ride_was_refused() -> None:
    assert exit_code(Progress(sent=5, refused=5), interrupted=False) == 1
    assert exit_code(Progress(sent=5, refused=4), interrupted=False) == 0
    assert exit_code(Progress(sent=5, refused=5), interrupted=True) == 130


@pytest.mark.parametrize("command", ["install", "uninstall", "report", "traffic"])
def test_a_verb_takes_the_options_that_the_makefile_gives(command: str) -> None:
    names = {
        option
        for parameter in get_command(app).commands[command].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }

    assert {"--context", "--namespace", "--release"} <= names
