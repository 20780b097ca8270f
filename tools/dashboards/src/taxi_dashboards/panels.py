"""Panels: each has a unit, a meaning, and a word for what there is no data of."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    BigValueTextMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from taxi_dashboards.queries import Query

PanelBuilder = Builder[Panel]

#: Grafana's ids of units.
SHARE: Final = "percentunit"
SECONDS: Final = "s"
PER_SECOND: Final = "reqps"
BYTES: Final = "bytes"
BYTES_PER_SECOND: Final = "Bps"
NUMBER: Final = "short"
#: In the unit of the model's target, which Grafana does not know.
OF_TARGET: Final = "none"

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT: Final = 8
_LOW: Final = 5
#: Words of the chart's template: where a field's alert has its runbook.
_RUNBOOK: Final = "RUNBOOK_OF_ALERT"


def _targets(queries: Sequence[Query], *, instant: bool = False) -> list[Any]:
    found = []
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        target = target.ref_id(chr(ord("A") + number))
        found.append(target.instant() if instant else target.range())
    return found


def _limits(limit: float | None) -> Any:
    steps = [Threshold(value=None, color="green")]
    if limit is not None:
        steps.append(Threshold(value=limit, color="red"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    return legend.placement(LegendPlacement.BOTTOM).show_legend(True)


def _mapping(words: Mapping[str, tuple[str, str]]) -> list[ValueMapping]:
    """Return what values are called, and their colours."""
    options = {
        value: ValueMappingResult(text=text, color=colour, index=number)
        for number, (value, (text, colour)) in enumerate(words.items())
    }
    return [ValueMap(options=options)]


def lines(  # noqa: PLR0913 - what a panel has
    title: str,
    meaning: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    limit: float | None = None,
    without: str = "no data",
    signed: bool = False,
) -> PanelBuilder:
    """Return a graph over time.

    Args:
        title: What is shown.
        meaning: What it says, in a sentence.
        unit: Of its one axis.
        queries: What is drawn.
        width: Columns of 24.
        limit: Drawn as a line, red above.
        without: What stands there without data.
        signed: It may be below zero.
    """
    panel = (
        timeseries.Panel()
        .title(title).description(meaning).datasource(DATASOURCE).targets(_targets(queries))
        .unit(unit).no_value(without).height(HEIGHT).span(width)
        .line_width(1).fill_opacity(10).show_points(VisibilityMode.NEVER).span_nulls(False)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .thresholds(_limits(limit))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                GraphThresholdsStyleMode.OFF if limit is None else GraphThresholdsStyleMode.DASHED
            )
        )
    )  # fmt: skip
    if not signed:
        panel = panel.min(0)
    return panel.max(1) if unit == SHARE and limit is None else panel


def number(  # noqa: PLR0913 - what a panel has
    title: str,
    meaning: str,
    unit: str,
    *queries: Query,
    width: int = 6,
    limit: float | None = None,
    without: str = "no data",
) -> PanelBuilder:
    """Return the newest values, each with its name."""
    return (
        _stat(title, meaning, queries, width, without)
        .unit(unit).text_mode(BigValueTextMode.VALUE_AND_NAME).thresholds(_limits(limit))
    )  # fmt: skip


def word(
    title: str, meaning: str, *queries: Query, width: int = 6, without: str = "no data"
) -> PanelBuilder:
    """Return what is, by the names of the series that are there."""
    return (
        _stat(title, meaning, queries, width, without)
        .unit(NUMBER).text_mode(BigValueTextMode.NAME).thresholds(_limits(None))
    )  # fmt: skip


def _stat(
    title: str, meaning: str, queries: Sequence[Query], width: int, without: str
) -> stat.Panel:
    return (
        stat.Panel()
        .title(title).description(meaning).datasource(DATASOURCE)
        .targets(_targets(queries, instant=True)).no_value(without).height(_LOW).span(width)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )  # fmt: skip


def states(
    title: str,
    meaning: str,
    words: Mapping[str, tuple[str, str]],
    *queries: Query,
    width: int = 8,
    without: str = "no data",
) -> PanelBuilder:
    """Return states over time, one line for each series.

    Args:
        title: What is shown.
        meaning: What it says, in a sentence.
        words: What a value is called, and its colour.
        queries: What is drawn.
        width: Columns of 24.
        without: What stands there without data.
    """
    return (
        statetimeline.Panel()
        .title(title).description(meaning).datasource(DATASOURCE).targets(_targets(queries))
        .unit(NUMBER).no_value(without).height(HEIGHT).span(width)
        .mappings(_mapping(words)).thresholds(_limits(None))
        .merge_values(True).fill_opacity(70).line_width(0)
        .legend(_legend())
    )  # fmt: skip


def alerts(query: Query, *, width: int = 12) -> PanelBuilder:
    """Return the alerts that fire now, each with a link to its runbook."""
    hidden = dict.fromkeys(
        ("Time", "Value", "__name__", "alertstate", "cluster", "namespace", "release"), True
    )
    target = (
        prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id("A")
        .instant().format(PromQueryFormat.TABLE)
    )  # fmt: skip
    link = {"title": "Runbook", "url": _RUNBOOK, "targetBlank": True}
    return (
        table.Panel()
        .title("Alerts that fire")
        .description("Of this release; the name of an alert leads to its runbook.")
        .datasource(DATASOURCE).targets([target]).unit(NUMBER).no_value("none fires")
        .height(_LOW + HEIGHT).span(width).thresholds(_limits(None))
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": hidden})
        )
        .override_by_name("alertname", [DynamicConfigValue(id_val="links", value=[link])])
    )  # fmt: skip


def link_to(title: str, url: str, *, outside: bool) -> Any:
    """Return a link of a board; one to another board keeps variables and time."""
    link = dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url)
    link = link.icon("external link" if outside else "dashboard").target_blank(outside)
    return link.include_vars(not outside).keep_time(not outside)
