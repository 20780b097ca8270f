"""Stored snapshots as an Evidently workspace, which Evidently's own UI opens."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evidently.sdk.models import DashboardPanelPlot, PanelMetric
from evidently.ui.workspace import Project, Workspace

from taxi_report.presets.run import TITLES
from taxi_report.presets.storage import SnapshotError, unpacked

_DESCRIPTION: Final = "Samples of the batch reports; the reports themselves have the full data"


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """One run of a preset.

    Attributes:
        model: Name of the model; a project of the workspace.
        report: Id of the report that it belongs to.
        version: Model version.
        preset: A name of `taxi_report.presets.run.TITLES`.
        data: As `taxi_report.presets.storage.packed` made it; its time is the span's end.
    """

    model: str
    report: str
    version: str
    preset: str
    data: bytes

    @property
    def name(self) -> str:
        """Return the run's name; no two runs of a model share one."""
        return f"{self.report} / {self.version} / {TITLES.get(self.preset, self.preset)}"


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing a workspace: new runs, those that it had, and what is missing."""

    added: int
    present: int
    problems: tuple[str, ...]


def write_workspace(folder: Path, snapshots: Iterable[StoredSnapshot]) -> Written:
    """Write snapshots into a workspace, made when it does not exist: one project a model.

    A run that the workspace has already is left as it is, so writing again adds only new ones.
    Open it with `DO_NOT_TRACK=1 evidently ui --workspace FOLDER`.

    Args:
        folder: Of the workspace.
        snapshots: Read one at a time.

    Raises:
        OSError: the folder cannot be written.
    """
    workspace = Workspace.create(str(folder))
    projects: dict[str, tuple[Project, set[str]]] = {}
    added, present, problems = 0, 0, []
    for one in snapshots:
        if one.model not in projects:
            projects[one.model] = _project(workspace, one.model)
        project, names = projects[one.model]
        if one.name in names:
            present += 1
            continue
        try:
            snapshot = unpacked(one.data)
        except SnapshotError as error:
            problems.append(f"{one.name}: {error}")
            continue
        workspace.add_run(project.id, snapshot, include_data=False, name=one.name)
        names.add(one.name)
        added += 1
    return Written(added, present, tuple(problems))


def _project(workspace: Workspace, model: str) -> tuple[Project, set[str]]:
    """Return a model's project and the names of its runs."""
    for project in workspace.search_project(model):
        runs = (workspace.get_run(project.id, run) for run in workspace.list_runs(project.id))
        return project, {run.name for run in runs if run is not None and run.name}
    project = workspace.create_project(model, description=_DESCRIPTION)
    for panel in _panels():
        project.dashboard.add_panel(panel)
    return project, set()


def _panels() -> list[DashboardPanelPlot]:
    """Return what the project's page shows over time."""
    lines = {"plot_type": "line"}
    return [
        DashboardPanelPlot(
            title="Share of drifted columns", subtitle="of the sample, by Evidently's thresholds",
            size="full", plot_params=lines,
            values=[
                PanelMetric(
                    legend="share", metric="DriftedColumnsCount",
                    metric_labels={"value_type": "share"},
                )
            ],
        ),
        DashboardPanelPlot(
            title="Error", subtitle="of the labelled rows of the sample", size="full",
            plot_params=lines,
            values=[
                PanelMetric(legend="MAE", metric="MAE", metric_labels={"value_type": "mean"}),
                PanelMetric(legend="RMSE", metric="RMSE"),
            ],
        ),
    ]  # fmt: skip
