"""`docs/pipelines.md` as it stands: rides with files alone, flights with the log."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import own_model_doc

from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_local.mongod import Mongod
from taxi_store.connection import connect, database_of

pytestmark = pytest.mark.component
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pipelines.md"
FEBRUARY = ROOT / "models/flight_delay/samples/flights-2013-02.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


def test_rides_with_files_alone(folder: Path) -> None:
    usual, collapse = own_model_doc.blocks(1, "bash", PAGE)

    printed = own_model_doc.run(usual, folder).stdout
    assert "conditions met: " in printed
    assert json.loads((folder / "rides/february.json").read_text())["verdict"] == "conditions met"
    assert "<html" in (folder / "rides/february.html").read_text()

    printed = own_model_doc.run(collapse, folder).stdout
    assert "conditions not met: " in printed
    assert "ended with 3" in printed
    (report,) = (folder / "rides").glob("files-*.json")
    assert json.loads(report.read_text())["verdict"] == "drift"


def test_flights_with_the_log(folder: Path, shared_mongod: Mongod) -> None:
    uri = shared_mongod.uri.replace("/taxi", "/pipelines-page")
    scored, asked = own_model_doc.blocks(2, "bash", PAGE)
    rows = pq.read_table(FEBRUARY).num_rows

    own_model_doc.run(scored, folder, TAXI_MONGODB_URI=uri)
    again = own_model_doc.run(
        scored.partition("taxi-train fit")[0] + scored[scored.index("taxi-predict score") :],
        folder,
        TAXI_MONGODB_URI=uri,
    )
    printed = own_model_doc.run(
        scored.partition("\n")[0] + "\n" + asked, folder, TAXI_MONGODB_URI=uri
    )

    assert f"log: {rows} rows were there" in again.stderr
    with connect(uri, app_name="test", timeout_seconds=10) as client:
        database = database_of(client)
        assert database[PREDICTIONS].count_documents({}) == rows
        assert 0.9 * rows < database[LABELS].count_documents({}) <= rows
    assert "2013-02-01" in printed.stdout
    assert list((folder / "flights").glob("flight-delay-*.html"))
