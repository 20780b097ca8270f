"""What changed, in sentences: the first thing that a reader sees."""

from collections.abc import Sequence
from typing import Any, Final

_QUANTILE_MEDIAN: Final = 3


def words_of(served: Any, versions: Sequence[dict[str, Any]], *, whole: bool) -> list[str]:
    """Return sentences, the most important first.

    Args:
        served: `taxi_report.document.Served`.
        versions: The report's parts by version, most rows first.
        whole: Whether nothing is missing.
    """
    if not served.rows:
        return [
            "No row was answered in this span."
            if whole
            else "No row was found in what could be read of this span."
        ]
    words = []
    for one in versions:
        name = f"Version {one['model_version']}"
        words += [*_error(name, one), *_inputs(name, one), *_quality(name, one)]
    return [*words, *_served(served, versions)]


def _served(served: Any, versions: Sequence[dict[str, Any]]) -> list[str]:
    if served.rows_before is None:
        return [f"{_count(served.rows, 'row')} in the files."]
    words = [f"{_count(served.rows, 'row')} answered{_change(served.rows, served.rows_before)}."]
    if len(versions) > 1:
        words.append(f"{len(versions)} versions answered in this span.")
    if served.rows_before:
        words += [
            f"Version {version['model_version']} answered nothing in the span before, so nothing "
            "of it is compared with that."
            for version in versions
            if all(one["before"] is None for one in version["columns"])
        ]
    if served.refused:
        share = served.refused / (served.refused + served.rows)
        words.append(f"{_count(served.refused, 'row')} refused ({share:.1%} of what was sent).")
    if served.unlogged:
        words.append(f"{_count(served.unlogged, 'row')} answered and not logged.")
    if sum(served.unreadable.values()):
        words.append(
            f"{_count(sum(served.unreadable.values()), 'document')} of the log could not be read."
        )
    return words


def _error(name: str, version: dict[str, Any]) -> list[str]:
    found, before = version["performance"], version["performance_before"]
    if found is None:
        return [f"{name}: no label within the target's limits, so its error is not known."]
    limit = version["limit"]
    unit = version["schema"]["unit"]
    words = [f"{name}: the RMSE is {found['rmse']:.3g}{unit and ' '}{unit}"]
    if limit is not None and limit["expected_rmse"]:
        ratio = found["rmse"] / limit["expected_rmse"]
        words.append(f", {ratio:.2f} times what the reference had at like hours")
    if before is not None and before["rmse"]:
        words.append(f"; in the span before it was {before['rmse']:.3g}")
    words.append(f"; {_bias(found)}.")
    sentences = ["".join(words)]
    if limit is not None and limit["rmse"] is not None and found["rmse"] >= limit["rmse"]:
        sentences.insert(0, f"{name}: the error is above its limit of {limit['rmse']:.3g}.")
    worst = version["worst_slices"]
    if worst:
        first = worst[0]
        sentences.append(
            f"{name} is worst for {first['value']}: mean absolute error "
            f"{first['mae']['mae']:.3g}{_range(first['mae'])} "
            f"against {found['mae']:.3g} in all, over {first['labelled']:,} labelled rows."
        )
    return sentences


def _range(mae: dict[str, Any]) -> str:
    return "" if mae["low"] is None else f" ({mae['low']:.3g} to {mae['high']:.3g})"


def _bias(found: dict[str, Any]) -> str:
    side = "above" if found["bias"] >= 0 else "below"
    return f"predictions are {abs(found['bias']):.3g} {side} the labels on average"


def _inputs(name: str, version: dict[str, Any]) -> list[str]:
    drifted = [one for one in version["columns"] if one["drifted"]]
    deciding = [one for one in version["columns"] if one["decides"]]
    if not drifted:
        return [f"{name}: none of {_count(len(deciding), 'input')} drifted."] if deciding else []
    ordered = sorted(drifted, key=lambda one: -one["score_ratio"])
    return [_drift(name, one) for one in ordered]


def _drift(name: str, column: dict[str, Any]) -> str:
    start = f"{name}: {column['name']} drifted ({column['score_ratio']:.2f} times its threshold)"
    current, reference = column["current"], column["reference"]
    if current["quantiles"] and reference["quantiles"]:
        old, new = (one["quantiles"][_QUANTILE_MEDIAN] for one in (reference, current))
        return f"{start}: its median went from {old:.3g} to {new:.3g}."
    changes = sorted(
        zip(current["labels"], current["shares"], reference["shares"], strict=True),
        key=lambda one: -abs(one[1] - one[2]),
    )
    label, new, old = changes[0]
    return f"{start}: the share of {label} went from {old:.1%} to {new:.1%}."


def _quality(name: str, version: dict[str, Any]) -> list[str]:
    words = []
    for one in version["columns"]:
        quality = one["quality"]
        for ratio, what in (
            (quality["missing_ratio"] if one["name"] != version["target"] else 0, "are missing"),
            (quality["unseen_ratio"], "were never seen in the reference"),
            (quality["outside_ratio"], "are outside of the reference's range"),
        ):
            if ratio is not None and ratio >= 0.01:
                words.append(f"{name}: {ratio:.1%} of {one['name']} {what}.")
    outside = version["labels"]["outside_ratio"]
    if outside:
        words.append(
            f"{name}: {outside:.1%} of the labels are {beyond(*version['target_limits'])} and "
            "count in no error."
        )
    return words


def beyond(low: float | None, high: float | None) -> str:
    """Say where labels are that count in no error; one of the limits may be open.

    >>> beyond(1, 60), beyond(None, 9.5)
    ('outside of 1 to 60', 'above 9.5')
    """
    if low is not None and high is not None:
        return f"outside of {low:g} to {high:g}"
    if high is not None:
        return f"above {high:g}"
    return "not finite" if low is None else f"below {low:g}"


def _change(now: int, before: int) -> str:
    if not before:
        return "; none in the span before"
    change = now / before - 1
    if abs(change) < 0.005:
        return ", as many as in the span before"
    return f", {abs(change):.0%} {'more' if change > 0 else 'fewer'} than in the span before"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
