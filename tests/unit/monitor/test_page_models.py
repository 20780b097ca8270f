"""What the page shows, as values: evidence, distributions, errors, labels, marks."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from support.page_states import (
    BEFORE,
    NOW,
    THRESHOLD,
    VERSION,
    Shift,
    StoredHistory,
    any_version,
    blocks_of,
    champion,
    collapsed_rides,
    columns_of,
    hostile_schema,
    marks,
    rides_reference,
    snapshot,
    usual_rides,
)
from support.taxi_columns import DISTANCE, PICKUP, SCHEMA

from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.page.charts.axes import Axis, axis_of, round_ticks, time_ticks
from taxi_monitor.page.charts.timeline import Frame, Line, Mark, drawn_marks, timeline
from taxi_monitor.page.columns import column_rows
from taxi_monitor.page.distributions import categories, mixture_of, number_bars
from taxi_monitor.page.errors import mean_with_interval, slice_errors
from taxi_monitor.page.evidence import evidence_of, meter_of
from taxi_monitor.page.evidence_charts import evidence_chart, scores_of, since
from taxi_monitor.page.happened import mark_rows
from taxi_monitor.page.history import Judging
from taxi_monitor.page.labels import coverage_of
from taxi_monitor.page.pushing import pushers
from taxi_monitor.page.traffic import traffic_chart, traffic_words
from taxi_monitor.page.version import card_of
from taxi_profiles.reference import PREDICTION, TARGET

HARM = Shift("error", "harm", 20, 0.5)


def history_of(**parts: object) -> StoredHistory:
    return StoredHistory(blocks_of(40, **parts))  # type: ignore[arg-type]


def test_the_side_with_most_of_its_budget_leads() -> None:
    found = evidence_of(history_of(shifts=(HARM,), kind="Concept").newest(VERSION))

    assert (found.state, found.kind, found.budget) == ("alarm", "Concept", "once in 100k rows")
    assert found.meter is not None
    assert found.meter.place >= found.meter.alarm > found.meter.suspected > 0
    assert found.blamed[0].text == "error"
    assert [part.text for part in found.groups] == ["Inputs", "Data faults", "Answers", "Error"]


def test_nothing_judged_is_not_no_drift() -> None:
    found = evidence_of({})

    assert (found.state, found.meter, found.budget) == ("none", None, "")


def test_a_block_that_decides_nothing_has_no_meter() -> None:
    (block, *_) = blocks_of(1)[Side.ROWS]
    short = replace(block, total=None, threshold=None, state=BlockState.SHORT)

    found = evidence_of({Side.ROWS: short})
    assert (found.state, found.meter) == ("short", None)
    assert meter_of(block, math.nan) is None


def test_a_kind_that_is_not_known_yet_is_shown_as_it_is() -> None:
    (block, *_) = blocks_of(1)[Side.ROWS]

    assert evidence_of({Side.ROWS: replace(block, kind="Newer")}).kind_word.text == "Newer"


def test_since_when_a_state_lasts() -> None:
    history = history_of(shifts=(HARM,), labels=1.0)
    watched = any_version(hostile_schema())
    blocks = history.blocks[Side.LABELS]
    alarms = [block for block in blocks if block.state is BlockState.ALARM]

    text = since(history.of(watched), blocks[-1])
    assert 5 < len(alarms) < 20
    assert text.startswith(f"since {alarms[0].last_ts:%Y-%m-%d %H:%M}")
    fresh = replace(blocks[-1], state=BlockState.SUSPECTED)
    assert since(history.of(watched), fresh) == ""


def test_the_chart_has_the_budgets_line_at_the_threshold() -> None:
    history = history_of(shifts=(HARM,)).of(any_version(hostile_schema()))
    chart = evidence_chart(history)

    assert chart is not None
    (alarm, suspected) = chart.levels
    assert alarm[0] < suspected[0], "percentages are from the top"
    (tick,) = [tick for tick in chart.y_ticks if tick.text == "100k"]
    assert tick.at == pytest.approx(alarm[0], abs=0.02)
    assert evidence_chart(StoredHistory().of(any_version(hostile_schema()))) is None


def test_traffic_is_told_beside_the_references_and_only_where_it_is_known() -> None:
    watched = any_version(hostile_schema())
    history = history_of().of(watched)
    chart = traffic_chart(history)

    assert traffic_words(history) == (
        "250 rows an hour, 0.5 times the reference's 500 at like hours (over 2 h)"
    )
    assert chart is not None
    assert chart.text == f"Last: {traffic_words(history)}."
    (level,) = chart.levels
    heights = {dot.y for dot in chart.dots}
    assert len(chart.dots) == 39, "the first block is no stretch"
    assert len(heights) == 2
    assert min(heights) == pytest.approx(level[0])
    assert max(heights) == pytest.approx((level[0] + 100) / 2, abs=3), "the axis begins at 0"

    before = {
        side: [replace(block, traffic=None) for block in blocks]
        for side, blocks in blocks_of(40).items()
    }
    unknown = StoredHistory(before).of(watched)
    assert (traffic_words(unknown), traffic_chart(unknown)) == ("", None)


def test_lines_are_broken_between_versions() -> None:
    old = blocks_of(20, version=BEFORE, end=NOW - timedelta(hours=4))[Side.ROWS]
    new = blocks_of(20)[Side.ROWS]

    line = scores_of("column:trip_distance", "rows", [*old, *new])

    assert len(line.points) == 41 == len(line.texts) == len(line.dots)
    assert math.isnan(line.points[20][1])
    # The moving mean of a version begins anew.
    assert math.isnan(line.low[21])
    assert math.isfinite(line.low[40])


def test_blocks_that_were_chosen_have_no_interval() -> None:
    chosen = blocks_of(40)[Side.ROWS][::2]

    line = scores_of("column:trip_distance", "rows", chosen)
    assert not [one for one in line.low if math.isfinite(one)]
    assert [value for _, value in line.points] == list(line.dots)


def test_a_line_has_gaps_where_nothing_came() -> None:
    points = [(float(at), 1.0) for at in (*range(10), *range(500, 510))]
    chart = timeline(Frame("t", "", Axis(0, 1000)), [Line("l", "rows", points)])

    assert chart.lines[0].path.count("M") == 2


def test_shares_of_a_number_are_whole_on_both_sides() -> None:
    reference = rides_reference()
    columns = columns_of(usual_rides())
    bars = number_bars(reference, DISTANCE, columns[DISTANCE], mixture_of(reference, columns))

    axis = 100 - np.array([(bar.expected, bar.found) for bar in bars.bars])
    expected, found = axis.sum(axis=0)
    assert expected == pytest.approx(found, rel=0.01)
    assert len(bars.bars) <= 32
    assert bars.bars[1].label == "0 to 1"


@pytest.mark.parametrize(
    "values", [np.zeros(0), np.full(9, np.nan), np.full(9, 3.0), np.array([1e9])]
)
def test_odd_windows_have_bars(values: np.ndarray) -> None:
    reference = rides_reference()
    mixture = np.full(16, 1 / 16)

    bars = number_bars(reference, DISTANCE, values, mixture).bars
    assert 0 < len(bars) <= 32
    for bar in bars:
        assert 0 <= bar.expected <= 100
        assert 0 <= bar.found <= 100


def test_categories_that_moved_come_first_with_their_names() -> None:
    reference = rides_reference()
    columns = columns_of(usual_rides())
    columns[PICKUP][:300] = 74.0
    columns[PICKUP][300:304] = 9999.0

    found = categories(reference, PICKUP, columns[PICKUP], mixture_of(reference, columns))

    assert found[0].name == "74"
    (new,) = [one for one in found if one.name == "9999"]
    assert (new.is_new, new.rows, new.expected) == (True, 4, 0.0)
    assert sum(one.found for one in found) == pytest.approx(1)
    assert sum(one.expected for one in found) == pytest.approx(1, abs=0.01)


def test_rows_that_push_a_number_are_the_farthest() -> None:
    columns = columns_of(usual_rides())
    columns[DISTANCE][17] = 99.0

    found = pushers(SCHEMA, rides_reference(), columns, DISTANCE)

    assert found is not None
    assert found.names == [DISTANCE, PICKUP, "DOLocationID", "answer", "event time"]
    assert found.rows[0][0] == "99"
    assert TARGET not in found.names


def test_rows_that_push_a_category_have_the_one_that_grew() -> None:
    columns = columns_of(usual_rides())
    columns[PICKUP][:400] = 75.0

    found = pushers(SCHEMA, rides_reference(), columns, PICKUP)
    assert found is not None
    assert {row[0] for row in found.rows} == {"75"}


def test_an_interval_of_alike_rows_is_wider_than_of_independent_ones() -> None:
    rng = np.random.default_rng(1)
    days = np.repeat(rng.normal(5, 1, 20), 100)
    alike = mean_with_interval(days)
    mixed = mean_with_interval(rng.permutation(days))

    assert alike.low is not None
    assert alike.high is not None
    assert mixed.low is not None
    assert mixed.high is not None
    assert alike.high - alike.low > 2 * (mixed.high - mixed.low)
    assert mean_with_interval(np.ones(49)).low is None


def test_the_slice_that_is_worse_comes_first() -> None:
    columns = columns_of(usual_rides())
    far = columns[DISTANCE] > 8
    columns[PREDICTION] = columns[TARGET] + np.where(far, 20.0, 0.1)

    found = slice_errors(SCHEMA, rides_reference(), snapshot(columns))

    assert found[0].name == "distance=from-8"
    assert found[0].is_worse
    assert found[0].bias == pytest.approx(20, rel=0.02)
    assert sum(one.is_worse for one in found) < len(found)


def test_slices_of_texts_are_found_by_their_categories() -> None:
    version = any_version(hostile_schema(), 400)
    assert version.evaluation is not None

    (found,) = slice_errors(version.schema, version.reference, version.evaluation.labelled)
    assert found.name == "<slice>=<group>"
    assert 30 <= found.mae.rows < 200


def test_coverage_counts_the_rows_that_labels_have_reached() -> None:
    watched = any_version(hostile_schema())

    assert coverage_of(history_of(labels=0.5).of(watched)) == pytest.approx(1.0)
    sparse = history_of(labels=1.0)
    sparse.blocks[Side.LABELS] = [
        replace(block, block=place)
        for place, block in enumerate(sparse.blocks[Side.LABELS][::4])
    ]  # fmt: skip
    assert coverage_of(sparse.of(watched)) == pytest.approx(10 / 37)
    assert coverage_of(history_of(labels=0.0).of(watched)) is None


def test_what_is_known_beside_the_blocks_goes_before_what_they_say() -> None:
    history = history_of(shifts=(HARM,), kind="Concept")
    history.judging = Judging(kind="HarmfulCovariate", coverage=0.25, late_rows=3)
    version = champion(usual_rides())

    card = card_of(version, version.evaluation, "no drift", history.of(version), None)
    assert (card.evidence.kind, card.labels.coverage) == ("HarmfulCovariate", "25 %")


def test_marks_have_the_same_number_on_charts_and_in_the_list() -> None:
    every = marks()
    time = Axis(every[1].at, NOW.timestamp())

    drawn = drawn_marks(time, every)
    rows = mark_rows(every, time.low, time.high)
    assert [one.number for one in drawn] == [one.number for one in reversed(rows)]
    assert {one.kind for one in rows} == {"version", "decision", "report", "event"}
    (event,) = [one for one in drawn if one.kind == "event"]
    assert event.width > 0
    assert next(one.link for one in rows if one.kind == "report").startswith("reports/")


def test_a_mark_that_began_before_the_chart_is_cut() -> None:
    (drawn,) = drawn_marks(Axis(100, 200), [Mark(0, 150, "event", "e"), Mark(0, 50, "event", "o")])

    assert (drawn.x, drawn.width) == (0.0, 50.0)


def test_the_worst_column_comes_first() -> None:
    version = champion(collapsed_rides())
    assert version.evaluation is not None
    history = history_of(shifts=(Shift("inputs", "column:DOLocationID", 10, 0.2),))

    rows = column_rows(version, version.evaluation, history.newest(VERSION))
    assert rows[0].name == "DOLocationID"
    assert rows[0].state == "alarm"
    assert [row.decides for row in rows] == [True, True, True, False, False]


@pytest.mark.parametrize("seconds", [0.5, 30, 3600, 86_400, 30 * 86_400, 20 * 365 * 86_400])
def test_every_span_has_a_few_ticks(seconds: float) -> None:
    axis = Axis(NOW.timestamp(), NOW.timestamp() + seconds)

    ticks = time_ticks(axis)
    assert len(ticks) <= 6
    assert all(0 <= tick.at <= 100 for tick in ticks)


def test_an_axis_is_never_empty() -> None:
    for values in ([], [0.0], [5.0, 5.0], [-1e-12, 1e-12], [1e12, 1e12]):
        axis = axis_of(values)
        assert axis.low < axis.high
        assert 1 <= len(round_ticks(axis)) <= 7
    assert pytest.approx(math.log10(200)) == THRESHOLD
