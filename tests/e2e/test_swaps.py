"""The traffic is moved again and again under load: nobody notices but by who answers."""

import importlib.metadata
import json
import platform
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import pytest
from support.cluster_faults import database_of
from support.cluster_load import load_in_cluster
from support.cluster_policies import ALWAYS, delete_policy, falling_back, status_of
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_store.registry.registry import Registry
from taxi_stories.client import Client, Load
from taxi_stories.release import Release
from taxi_stories.rows import TAXI_SCHEMA

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_swaps.json"
SWAPS = 50
#: Half of the rides come by connections that stay, half by new ones.
RATE = 50.0
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
NEVER = {**ALWAYS, "name": "never", "promql": "vector(0)"}


def force(release: Release, to: str) -> None:
    """Ask for the traffic as a person does in an emergency."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    forced = {"to": to, "until": until, "reason": "soak"}
    release.kubectl(
        "patch", "driftpolicy/swaps", "--type=merge", "-p",
        json.dumps({"spec": {"forceTraffic": forced}}),
    )  # fmt: skip


def version_of(release: Release, alias: Alias) -> str:
    with database_of(release) as database:
        found = Registry(database).alias(MODEL_NAME, alias)
    assert found is not None
    return found.version


@pytest.mark.soak
def test_soak_swaps(breakable: Release) -> None:
    versions = {
        "Champion": version_of(breakable, Alias.CHAMPION),
        "Fallback": version_of(breakable, Alias.FALLBACK),
    }
    breakable.kubectl.apply(falling_back(breakable, "swaps", NEVER))
    wait_for("first look", lambda: status_of(breakable, "swaps").get("signals"))

    taken: dict[str, list[float]] = {"Champion": [], "Fallback": []}
    with (
        load_in_cluster(breakable, RATE) as kept,
        Client(breakable, Load(RATE, RIDE, TAXI_SCHEMA.id)) as fresh,
    ):
        wait_for("answers", fresh.counts)
        for number in range(SWAPS):
            to = "Champion" if number % 2 else "Fallback"
            begin = time.monotonic()
            force(breakable, to)
            # All answers of a whole second; so the time is up to a second too long.
            wait_for(
                f"answers of the {to}",
                lambda to=to: (now := fresh.counts()) and set(now.versions) == {versions[to]},
            )
            taken[to].append(time.monotonic() - begin)
        counts = fresh.counts()
        assert counts is not None

    p95 = {to: round(quantiles(seconds, n=20)[-1], 2) for to, seconds in taken.items()}
    figures = {
        "swaps": SWAPS, "rate": 2 * RATE, "answered": len(kept.ride_ids) + counts.answered,
        "failed": kept.failed + counts.failed,
        "to_fallback_p95_seconds": p95["Fallback"], "to_champion_p95_seconds": p95["Champion"],
        "slowest_seconds": round(kept.slowest_seconds, 3),
    }  # fmt: skip
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-swaps",
             "versions": {"python": platform.python_version(),
                          "kopf": importlib.metadata.version("kopf")}},
            indent=1,
        ) + "\n"
    )  # fmt: skip
    delete_policy(breakable, "swaps")

    assert (kept.failures, counts.failures) == ([], ())
