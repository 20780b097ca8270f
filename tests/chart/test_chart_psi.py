"""PSI over any range, recorded by Prometheus, is the engine's number."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import promql_parser
import pytest
import yaml
from support.chart import manifests, template

from taxi_domain.metrics import MONITOR_FEATURE_ROWS, MONITOR_REFERENCE_BINS
from taxi_profiles.bins import ColumnBins, category_bins, number_bins, psi
from taxi_profiles.categorical import categorical_profile
from taxi_profiles.numeric import numeric_profile

pytestmark = [
    pytest.mark.chart,
    # In CI a missing promtool is a failure: a test that is skipped there shows nothing.
    pytest.mark.skipif(
        not shutil.which("promtool") and not os.environ.get("CI"),
        reason="promtool is not installed",
    ),
]

Floats = np.ndarray
COMMON = {"namespace": "ns", "job": "taxi-monitor", "model": "m", "model_role": "champion"}
PSI = "model_feature:taxi_monitor_feature_psi:1h"


def groups(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the groups of recorded PSI."""
    (rule,) = (one for one in manifests(template(values or {})) if one["kind"] == "PrometheusRule")
    return [one for one in rule["spec"]["groups"] if ".psi" in one["name"]]


def columns() -> dict[str, tuple[ColumnBins, Floats]]:
    """Return bins of two columns, and rows to count in them."""
    rng = np.random.default_rng(5)
    miles, zones = rng.gamma(1.5, 2.0, 4000), rng.zipf(1.4, 4000) % 40
    new_miles = np.round(rng.gamma(1.5, 2.6, 900), 2)
    new_miles[:30], new_miles[30:33] = np.nan, 1e4
    new_zones = (rng.zipf(1.4, 900) % 40).astype(np.float64)
    new_zones[:25] = 77
    profile = categorical_profile(zones)
    texts = [str(one) for one in profile.ids]
    return {
        "miles": (number_bins(numeric_profile(miles)), new_miles),
        "zone": (category_bins(profile, texts, 40), new_zones),
    }


COLUMNS = columns()
COUNTS = {name: bins.counts(rows) for name, (bins, rows) in COLUMNS.items()}


def series(metric: str, labels: Mapping[str, str], values: str) -> dict[str, str]:
    text = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    return {"series": f"{metric}{{{text}}}", "values": values}


def counted(
    pod: str, counts: Mapping[str, Floats], pattern: str, version: str = "v1"
) -> list[dict[str, str]]:
    """Return the series of a pod, each the pattern with the rows of a minute in its bin."""
    return [
        series(
            MONITOR_FEATURE_ROWS.name,
            {**COMMON, "pod": pod, "version": version, "feature": feature, "bin": name},
            pattern.format(rows=int(rows)),
        )
        for feature, (bins, _) in COLUMNS.items()
        for name, rows in zip(bins.names, counts[feature], strict=True)
    ]


def reference(pod: str, version: str = "v1", values: str = "{share}x200") -> list[dict[str, str]]:
    return [
        series(
            MONITOR_REFERENCE_BINS.name,
            {**COMMON, "pod": pod, "version": version, "feature": feature, "bin": name},
            values.format(share=repr(share)),
        )
        for feature, (bins, _) in COLUMNS.items()
        for name, share in zip(bins.names, bins.shares.tolist(), strict=True)
    ]


def run(folder: Path, given: Sequence[dict[str, str]], checks: Mapping[str, Any], at: str) -> None:
    """Evaluate queries on series by promtool.

    Args:
        folder: For its files.
        given: Series, a value each minute.
        checks: Expected value by query; None where there is to be none.
        at: When the queries are evaluated.
    """
    tests = [
        {
            "expr": query, "eval_time": at,
            "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
        }
        for query, value in checks.items()
    ]  # fmt: skip
    case = {"interval": "1m", "input_series": list(given), "promql_expr_test": tests}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()[:1]}))
    (folder / "cases.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", "cases.yaml"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def near(counts: Mapping[str, Floats], version: str = "v1") -> dict[str, float]:
    """Return queries that are 1 where the recorded PSI is that of counts, to 1e-9."""
    return {
        f'count(abs({PSI}{{feature="{feature}",version="{version}"}} - '
        f"{psi(bins, counts[feature])!r}) < 1e-9)": 1.0
        for feature, (bins, _) in COLUMNS.items()
    }


def test_recorded_psi_is_the_engines(tmp_path: Path) -> None:
    given = counted("a", COUNTS, "0+{rows}x200") + reference("a")

    run(tmp_path, given, near(COUNTS), "2h")


def test_a_pod_that_follows_another_goes_on(tmp_path: Path) -> None:
    """Its counters begin at zero; each pod counted rows of its own."""
    turned = {name: rows[::-1] for name, rows in COUNTS.items()}
    given = [
        *counted("a", COUNTS, "0+{rows}x89 stale"), *reference("a", values="{share}x89 stale"),
        *counted("b", turned, "_x90 0+{rows}x60"), *reference("b", values="_x90 {share}x60"),
    ]  # fmt: skip

    # The minutes of 1h to 2h; Prometheus counts half an interval beyond a pod's last sample.
    both = {name: 29.5 * rows + 30 * rows[::-1] for name, rows in COUNTS.items()}
    run(tmp_path, given, near(both), "2h")


def test_a_worker_that_starts_anew_in_its_pod_loses_nothing(tmp_path: Path) -> None:
    given = counted("a", COUNTS, "0+{rows}x89 0+{rows}x60") + reference("a")

    run(tmp_path, given, near(COUNTS), "2h")


def test_rows_that_two_pods_count_change_no_share(tmp_path: Path) -> None:
    given = [
        *counted("a", COUNTS, "0+{rows}x200"), *counted("b", COUNTS, "0+{rows}x200"),
        *reference("a"), *reference("b"),
    ]  # fmt: skip

    run(tmp_path, given, near(COUNTS), "2h")


def test_a_promoted_version_begins_with_its_own_rows(tmp_path: Path) -> None:
    turned = {name: rows[::-1] for name, rows in COUNTS.items()}
    given = [
        *counted("a", turned, "0+{rows}x89 stale"), *reference("a", values="{share}x89 stale"),
        *counted("a", COUNTS, "_x90 0+{rows}x60", "v2"),
        *reference("a", "v2", "_x90 {share}x60"),
    ]  # fmt: skip

    run(tmp_path, given, {**near(COUNTS, "v2"), f'{PSI}{{version="v1"}}': None}, "2h")


def test_few_rows_have_no_psi(tmp_path: Path) -> None:
    few = {name: np.eye(1, len(rows))[0] * 4 for name, rows in COUNTS.items()}
    given = counted("a", few, "0+{rows}x200") + reference("a")

    run(tmp_path, given, {PSI: None}, "2h")


def test_ranges_are_those_of_the_values() -> None:
    found = groups({"metrics": {"prometheusRule": {"psiRanges": ["6h", "7d"]}}})

    assert [one["interval"] for one in found] == ["1m", "4m"]
    assert [group["rules"][-1]["record"] for group in found] == [
        "model_feature:taxi_monitor_feature_psi:6h", "model_feature:taxi_monitor_feature_psi:7d",
    ]  # fmt: skip
    assert groups({"metrics": {"prometheusRule": {"psiRanges": []}}}) == []


@pytest.mark.parametrize("rule", groups()[0]["rules"], ids=lambda rule: rule["record"])
def test_a_recorded_series_is_of_this_release(rule: dict[str, Any]) -> None:
    """Releases of one namespace record beside each other."""

    def selectors(node: Any) -> list[Any]:
        below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
        below += list(getattr(node, "args", None) or [])
        own = [node] if isinstance(node, promql_parser.VectorSelector) else []
        return own + [one for each in below if each is not None for one in selectors(each)]

    found = selectors(promql_parser.parse(rule["expr"]))

    assert found
    for one in found:
        assert {(each.name, each.value) for each in one.matchers.matchers} == {
            ("namespace", "ns"), ("job", "taxi-monitor"),
        }  # fmt: skip
