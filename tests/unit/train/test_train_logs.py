"""A Job of the operator's says in each line which decision it is for; a person's prints text."""

import json
import logging
from collections.abc import Iterator

import pytest

from taxi_domain.runs import RUN_ID_VARIABLE
from taxi_train.main import _settings_of_run


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TAXI_MONGODB_URI", "mongodb://nowhere/taxi")
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_lines_of_a_job_have_its_decision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(RUN_ID_VARIABLE, "0a1b2c3d-0007-1")
    _settings_of_run()
    logging.getLogger("taxi_train").info("%d rows", 5)

    line = json.loads(capsys.readouterr().out)
    assert (line["decision"], line["run"]) == ("0a1b2c3d-0007", "0a1b2c3d-0007-1")
    assert line["message"] == "5 rows"


@pytest.mark.parametrize("run", ["", "manual-0123456789ab"])
def test_lines_of_a_run_by_hand_stay_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: str
) -> None:
    monkeypatch.setenv(RUN_ID_VARIABLE, run)
    _settings_of_run()
    logging.getLogger("taxi_train").info("%d rows", 5)

    assert capsys.readouterr().out == ""
