"""A check of the prediction log against a version of the registry."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import SAMPLES, taxi_rides, usual
from typer.testing import CliRunner, Result

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import DATABASE
from taxi_local.mongod import running_mongod
from taxi_report.main import app
from taxi_store.connection import connect

pytestmark = pytest.mark.component


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides, the version that answered, and the time of an event in the middle."""

    uri: str
    written: Written
    version: str
    middle: str

    def check(self, *options: str, reference: str = f"{MODEL_NAME}@champion") -> Result:
        """Check all of it."""
        return CliRunner().invoke(
            app, ["check", "--reference", reference, *options],
            env={"TAXI_MONGODB_URI": self.uri},
        )  # fmt: skip

    @property
    def span(self) -> tuple[str, ...]:
        """The options of its span."""
        return "--from", self.written.start.isoformat(), "--to", self.written.end.isoformat()


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))[-14_000:]
    artifact = taxi_artifact(rides[:10_000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        version = register(client[DATABASE], artifact, datetime(2021, 1, 1, tzinfo=UTC))
        written = write_rides(client[DATABASE], rides[10_000:], artifact)
        middle = np.sort(rides[10_000:].event_times)[2000].astype("M8[s]")
        yield Log(server.uri, written, version, f"{middle}Z")


def test_rows_of_the_log_are_compared_with_the_champion(log: Log, tmp_path: Path) -> None:
    out = tmp_path / "check.json"

    found = log.check(*log.span, "--json", str(out))

    assert found.exit_code == 0, found.output
    document = json.loads(out.read_bytes())
    assert document["rows"]["read"] == document["rows"]["labelled"] == 4000
    assert document["rows"]["refused"] is None
    assert document["reference"]["version"] == log.version
    states = {one["condition"]: one["state"] for one in document["conditions"]}
    assert states["max_refused_share"] == "not evaluated"
    assert states["max_error"] == states["max_drift"] == "met"


def test_a_filter_of_the_log_chooses_rows(log: Log, tmp_path: Path) -> None:
    out = tmp_path / "check.json"

    far = log.check(
        *log.span, "--where", '{"inputs.trip_distance": {"$gt": 5}}', "--json", str(out),
        reference=log.version,
    )  # fmt: skip
    none = log.check(*log.span, "--where", '{"model_role": "nobody"}')
    early, late = (
        log.check(
            *log.span, "--where",
            json.dumps({"event_time": {operator: {"$date": log.middle}}}),
            "--json", str(tmp_path / name), reference=log.version,
        )
        for operator, name in (("$lt", "early.json"), ("$gte", "late.json"))
    )  # fmt: skip
    refused = [
        log.check(*log.span, "--where", text)
        for text in (
            '{"ts": {"$no": 1}}', '{"$foo": 1}', '{"model_role": {"$regex": "("}}',
            '{"$expr": {"$divide": [1, 0]}}', '{"a":' * 300 + "1" + "}" * 300,
        )
    ]  # fmt: skip

    document = json.loads(out.read_bytes())
    assert 0 < document["rows"]["read"] < 4000
    assert far.exit_code == 3
    assert "trip_distance" in {one["column"] for one in document["conditions"] if one["failed"]}
    assert none.exit_code == 3
    assert {early.exit_code, late.exit_code} <= {0, 3}
    parts = [json.loads((tmp_path / name).read_bytes()) for name in ("early.json", "late.json")]
    assert all(0 < part["rows"]["read"] < 4000 for part in parts)
    assert sum(part["rows"]["read"] for part in parts) == 4000
    assert parts[0]["data"]["where"] == {"event_time": {"$lt": {"$date": log.middle}}}
    assert [one.exit_code for one in refused] == [2] * len(refused)


def test_files_are_compared_with_a_version(log: Log) -> None:
    data = ("--data", str(SAMPLES / "green-2021-02-head.parquet"))

    assert log.check(*data, reference=log.version).exit_code in {0, 3}
    assert log.check(*data, reference="0" * 12).exit_code == 1
    assert log.check(*data, reference=f"{MODEL_NAME}@fallback").exit_code == 1
