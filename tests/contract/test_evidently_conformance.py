"""Our scores are Evidently's numbers: the same to 1e-9 on random and on real frames."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from support.taxi_columns import DISTANCE, PICKUP, taxi_rides, usual

from taxi_profiles.categorical import categorical_profile, jensen_shannon
from taxi_profiles.numeric import normed_wasserstein, numeric_profile

TOLERANCE = 1e-9
NUMERIC = ["miles", "minutes"]
CATEGORICAL = ["zone"]


def random_frame(rng: Generator, rows: int, shift: float = 1.0) -> pd.DataFrame:
    miles = np.round(rng.gamma(1.5, 2.0, rows) * shift, 2)
    miles[rng.random(rows) < 0.01] = np.nan
    return pd.DataFrame(
        {
            "miles": miles,
            "minutes": rng.gamma(3, 5, rows) * shift,
            "zone": rng.zipf(1.3, rows) % 260 + 1,
        }
    )


def real_frame(name: str, rows: slice) -> pd.DataFrame:
    rides = usual(taxi_rides(f"{name}.parquet"))[rows]
    return pd.DataFrame(
        {
            "miles": rides.columns[DISTANCE].astype(np.float64),
            "minutes": rides.target,
            "zone": rides.columns[PICKUP].astype(np.int64),
        }
    )


def by_evidently(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
        methods = dict.fromkeys(NUMERIC, "wasserstein") | dict.fromkeys(
            CATEGORICAL, "jensenshannon"
        )
        report = Report([ValueDrift(column=name, method=kind) for name, kind in methods.items()])
        snapshot = report.run(
            Dataset.from_pandas(current, data_definition=definition),
            Dataset.from_pandas(reference, data_definition=definition),
        ).dict()
    return {one["config"]["column"]: float(one["value"]) for one in snapshot["metrics"]}


def by_us(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, float]:
    found = {}
    for name in NUMERIC:
        profile = numeric_profile(reference[name].to_numpy(np.float64))
        found[name] = normed_wasserstein(profile, current[name].to_numpy(np.float64))
    zones = categorical_profile(reference["zone"].to_numpy())
    found["zone"] = jensen_shannon(zones, current["zone"].to_numpy())
    return found


def frames() -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    rng = np.random.default_rng(7)
    cases = {
        f"random {reference}/{window} x{shift}": (
            random_frame(rng, reference),
            random_frame(rng, window, shift),
        )
        for reference, window, shift in [(1200, 300, 1.0), (5000, 2000, 1.25), (40_000, 500, 0.9)]
    }
    january = real_frame("green-2021-01", slice(None))
    cases["january/february"] = (january, real_frame("green-2021-02-head", slice(2000)))
    march = real_frame("green-2020-03-before", slice(None))
    cases["before/after"] = (march, real_frame("green-2020-03-after", slice(5000)))
    return cases


@pytest.mark.parametrize("case", frames().values(), ids=frames().keys())
def test_scores_are_evidently_s_numbers(case: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    expected = by_evidently(*case)

    found = by_us(*case)

    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=TOLERANCE), name
