"""The monitor serves the runbooks as they are in docs, each by the name of its alert."""

import runpy
from pathlib import Path

import yaml
from flask import Flask

from taxi_monitor.http import problems
from taxi_monitor.http.runbook_routes import runbook_blueprint

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTS = yaml.safe_load((ROOT / "charts/taxi-monitoring/files/alerts.yaml").read_text())


def test_the_file_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "dev" / "runbooks_file.py"))

    assert made["FILE"].read_text() == made["text"]()


def test_each_alert_has_its_page_and_no_other_name_has_one() -> None:
    app = Flask("runbooks")
    problems.register(app)
    app.register_blueprint(runbook_blueprint())
    client = app.test_client()

    for alert in ALERTS:
        answer = client.get(f"/runbooks/{alert['alert']}")
        assert answer.text == (RUNBOOKS / f"{alert['alert']}.md").read_text()
        assert answer.content_type.startswith("text/plain")
    for name in ("README", "Taxi", "..%2Fpage.css", "TaxiTargetDown.md"):
        assert client.get(f"/runbooks/{name}").status_code == 404
