"""A check behind a step of somebody's own Prefect pipeline, which scores a month in batch."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.prefect_server import Server, quiet, running_prefect
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import DISTANCE, SAMPLES, taxi_rides

from taxi_store.registry.artifacts import pack

pytestmark = pytest.mark.component

SCHEMA = SAMPLES.parent / "schema.toml"
#: The step before the check: rows in, rows with a `prediction` out.
SCORE = [sys.executable, str(Path(__file__).parents[1] / "support" / "score_step.py")]
FLOW = """
import subprocess
import sys
from pathlib import Path

from prefect import flow, task
from taxi_report.prefect import ConditionsNotMetError, check_data

score, model, rows, scored, out = json.loads(sys.argv[1])


@task
def score_month():
    subprocess.run([*score, "--model", model, rows, scored], check=True)


@task
def use_predictions():
    Path(out).with_suffix(".used").touch()


@flow(name="monthly")
def monthly():
    score_month()
    check_data(model, scored, checks=Path(out).parent / "checks.toml", json=out)
    use_predictions()


try:
    monthly()
except ConditionsNotMetError as error:
    print(error)
    sys.exit(3 if error.document["verdict"] == "conditions not met" else 4)
"""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.tar"
    path.write_bytes(pack(taxi_artifact(taxi_rides("green-2021-01.parquet")[-20_000:]).files))
    return path


def run_pipeline(server: Server, model: Path, rows: Path, folder: Path) -> tuple[int, str]:
    """Run the flow; return how it ended and what it said."""
    (folder / "checks.toml").write_text(
        "[rows]\nminimum = 1000\nmax_doubled_ids = false\n[error]\nmax_rmse = 60\n"
    )
    flow = folder / "flow.py"
    flow.write_text(f"import json\n{FLOW}")
    given = [SCORE, str(model), str(rows), str(folder / "scored.parquet"), str(folder / "out.json")]
    process = subprocess.run(
        [sys.executable, str(flow), json.dumps(given)],
        env={
            **os.environ, **quiet(folder), "PYTHONPATH": ":".join(sys.path),
            "PREFECT_API_URL": server.url,
        },
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return process.returncode, process.stdout + process.stderr


def test_a_month_that_is_as_expected_goes_on(prefect: Server, model: Path, tmp_path: Path) -> None:
    rows = SAMPLES / "green-2021-02-head.parquet"

    code, said = run_pipeline(prefect, model, rows, tmp_path)

    assert code == 0, said
    assert (tmp_path / "out.used").exists()
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert document["verdict"] == "conditions met"
    assert document["rows"]["read"] == 12_000
    (error,) = (one for one in document["conditions"] if one["condition"] == "max_rmse")
    assert error["state"] == "met"
    tasks = {one["name"].rsplit("-", 1)[0]: one for one in prefect.found("task_runs/filter")}
    assert tasks["check-data"]["state_type"] == "COMPLETED"
    (artifact,) = prefect.found("artifacts/latest/filter")
    assert artifact["key"] == "taxi-check"
    assert artifact["description"] == "conditions met: 12,000 rows read"
    assert "max_drift" in artifact["data"]


def test_a_month_that_is_not_ends_the_flow_before_its_next_step(
    prefect: Server, model: Path, tmp_path: Path
) -> None:
    table = pq.read_table(SAMPLES / "green-2021-02-head.parquet")
    place = table.column_names.index(DISTANCE)
    miles = pa.array(table[DISTANCE].to_numpy() * 1.609)
    rows = tmp_path / "kilometres.parquet"
    pq.write_table(table.set_column(place, DISTANCE, miles), rows)

    code, said = run_pipeline(prefect, model, rows, tmp_path)

    assert code == 3, said
    assert "max_drift of trip_distance" in said
    assert not (tmp_path / "out.used").exists()
    states = {one["state_type"] for one in prefect.found("flow_runs/filter")}
    assert "FAILED" in states
