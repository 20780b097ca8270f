"""A part that cannot use a setting ends at once, with code 2 and the setting's name."""

import os
import subprocess
import sys

import pytest

from taxi_local.ports import free_port

pytestmark = pytest.mark.component

GOOD = {
    "TAXI_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}",
    "TAXI_MONITOR_TOKEN": "a-token-for-tests",
    "TAXI_OPERATOR_NAMESPACE": "taxi",
    "TAXI_PREDICT_DATA_DIR": "/tmp",
}
PARTS = {
    "predictor": ["taxi_predict.server.main"],
    "delivery": ["taxi_predict.delivery.main", "--drain"],
    "monitor": ["taxi_monitor.main"],
    "operator": ["taxi_operator.main"],
    "train": ["taxi_train.main", "run"],
}
EVERY_PART = [(part, "TAXI_MONGODB_URI", "mongodb://%") for part in PARTS]


@pytest.mark.parametrize(
    ("part", "variable", "value"),
    [
        *EVERY_PART,
        (
            "predictor",
            "TAXI_MONITOR_TOKEN",
            "t\N{LATIN SMALL LETTER O WITH DIAERESIS}ken-for-tests",
        ),
        ("predictor", "TAXI_MONITOR_URL", "monitor:8085"),
        ("predictor", "TAXI_MODEL", "two words"),
        ("predictor", "TAXI_PREDICT_DATA_DIR", "/dev/null/data"),
        ("predictor", "TAXI_PREDICT_DRAIN_SECONDS", "inf"),
        ("monitor", "TAXI_MONITOR_TOKEN", "t\N{LATIN SMALL LETTER O WITH DIAERESIS}ken-for-tests"),
        ("monitor", "TAXI_MONITOR_TOKEN", "short\n\n\n\n\n"),
        ("monitor", "TAXI_MONITOR_TOKEN", ""),
        ("monitor", "TAXI_MONITOR_MIN_ROWS", "5000"),
        ("operator", "TAXI_OPERATOR_API_TIMEOUT", "inf"),
        ("operator", "TAXI_OPERATOR_REPORT_CRONJOB", "taxi-report"),
        ("train", "TAXI_TRAIN_TIMEOUT_SECONDS", "inf"),
    ],
)
def test_it_ends_naming_the_setting(part: str, variable: str, value: str) -> None:
    environment = {**GOOD, "PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", *PARTS[part]], env={**environment, variable: value},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip

    assert done.returncode == 2, done.stderr
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
