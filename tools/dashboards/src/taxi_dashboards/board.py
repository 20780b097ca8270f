"""A board: its variables, links, annotations and rows of panels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from taxi_dashboards.panels import DATASOURCE, PanelBuilder, link_to
from taxi_dashboards.queries import of_monitor, of_operator

#: Words that the chart's template fills in: of one release, so that two do not take each other's.
UID: Final = "UID"
NAMESPACE: Final = "NAMESPACE"
RELEASE: Final = "RELEASE"
MONITOR_URL: Final = "MONITOR_URL"
_ALL: Final = "$__all"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a heading; they follow each other from left to right."""

    title: str
    panels: Sequence[PanelBuilder]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard.

    Attributes:
        name: In its uid and its file.
        title: What it is about.
        meaning: In a sentence.
        rows: From top to bottom.
    """

    name: str
    title: str
    meaning: str
    rows: Sequence[Row]

    def document(self, boards: Mapping[str, str]) -> dict[str, Any]:
        """Return it as Grafana imports it.

        Args:
            boards: Titles of all boards by name, which it links to.
        """
        made = (
            dashboard.Dashboard(f"{RELEASE} in {NAMESPACE}: {self.title}")
            .uid(f"{UID}-{self.name}").description(self.meaning)
            .tags(["taxi-monitoring", RELEASE]).timezone("browser").refresh("30s")
            .time("now-3h", "now").tooltip(DashboardCursorSync.CROSSHAIR).editable()
            .variables(_variables())
            .links(
                [
                    link_to(title.capitalize(), f"/d/{UID}-{name}", outside=False)
                    for name, title in boards.items() if name != self.name
                ]
                + [link_to("The monitor's page", MONITOR_URL, outside=True)]
            )
            .annotation(_decisions())
        )  # fmt: skip
        for row in self.rows:
            made = made.with_row(dashboard.Row(row.title))
            for panel in row.panels:
                made = made.with_panel(panel)
        return _numbered(made.build().to_json())


def _variables() -> list[Any]:
    """Return the variables; each asks for what those before it allow."""
    found: list[Any] = [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    ]
    place = 'cluster=~"$cluster"'
    anywhere = f"taxi_monitor_background_up{{{place}}}"
    # The label exists where several clusters have one store; elsewhere there is All alone.
    found.append(
        _asked("cluster", "Cluster", "label_values(taxi_monitor_background_up, cluster)")
        .include_all(True).all_value(".*")
        .current(VariableOption(selected=True, text="All", value=_ALL))
    )  # fmt: skip
    found.append(
        _asked("namespace", "Namespace", f"label_values({anywhere}, namespace)")
        .current(VariableOption(selected=True, text=NAMESPACE, value=NAMESPACE))
    )  # fmt: skip
    inside = f'taxi_monitor_background_up{{{place}, namespace="$namespace"}}'
    found.append(
        _asked("release", "Release", f"label_values({inside}, job)").regex("/^(.+)-monitor$/")
        .current(VariableOption(selected=True, text=RELEASE, value=RELEASE))
    )  # fmt: skip
    rows = of_monitor("taxi_monitor_window_rows")
    found.append(_asked("model", "Model", f"label_values({rows}, model)"))
    roles = of_monitor("taxi_monitor_window_rows", 'model="$model"')
    found.append(_asked("model_role", "Role", f"label_values({roles}, model_role)"))
    return found


def _asked(name: str, label: str, query: str) -> Any:
    return (
        dashboard.QueryVariable(name).label(label).datasource(DATASOURCE)
        .query({"query": query, "refId": name}).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC).multi(False)
    )  # fmt: skip


def _decisions() -> Any:
    decided = of_operator("taxi_operator_decisions_total", span="1m")
    return (
        dashboard.AnnotationQuery().name("Decisions").datasource(DATASOURCE).enable(True)
        .icon_color("orange").expr(f"sum by (policy, action) (increase({decided})) > 0")
    )  # fmt: skip


def _numbered(document: dict[str, Any]) -> dict[str, Any]:
    """Give panels the numbers that links name, and annotations the texts that the SDK lacks."""
    plain: dict[str, Any] = json.loads(json.dumps(document, cls=JSONEncoder))
    for number, panel in enumerate(plain["panels"], 1):
        panel["id"] = number
    for annotation in plain["annotations"]["list"]:
        annotation["titleFormat"] = "{{policy}}: {{action}}"
    return plain
