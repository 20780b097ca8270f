"""The main job on real rides; the stories check their claims themselves.

Quiet weeks are left alone, harmless drift changes nothing, and an emergency is survived, one after
the other in one release. The collapse runs with the operator killed while its retrain Job runs.
"""

import pytest
from support.told_stories import ToldStory, retrain_jobs

from taxi_stories.kubectl import Kubectl
from taxi_stories.scenarios import COLLAPSE

#: Each story has a bound of its own, which is the shorter one.
LONGEST = 3600
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(LONGEST + 600)]


def test_quiet_weeks_and_harmless_drift(quiet_story: ToldStory) -> None:
    quiet_story.join(LONGEST)
    quiet_story.remove()


def test_emergency(emergency_story: ToldStory) -> None:
    emergency_story.join(LONGEST)
    emergency_story.remove()


def test_collapse_is_mended_although_the_operator_is_killed(
    context: str, collapse_story: ToldStory
) -> None:
    collapse_story.join(LONGEST)

    jobs = retrain_jobs(Kubectl(context, COLLAPSE.place))
    assert len(jobs) == 1, [job["metadata"]["name"] for job in jobs]
    collapse_story.remove()
