"""What the variables of the cluster builder mean."""

import pytest

from taxi_cluster.errors import ClusterError
from taxi_cluster.settings import Settings, Source, Target, find_source, read_settings


def test_nothing_set_means_an_own_cluster_and_everything_allowed() -> None:
    settings = read_settings({})

    assert settings == Settings(Target.KIND, "", may_start_docker=True, registry="")


def test_zero_forbids_to_start_an_engine() -> None:
    assert not read_settings({"TAXI_START_DOCKER": "0"}).may_start_docker


def test_registry_loses_its_last_slash() -> None:
    settings = read_settings({"CLUSTER": "existing", "IMAGE_REGISTRY": "registry.example/taxi/"})

    assert settings.image_registry == "registry.example/taxi"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"CLUSTER": "k3s"}, "CLUSTER=k3s"),
        ({"TAXI_REGISTRY": "maybe"}, "TAXI_REGISTRY=maybe"),
        ({"CLUSTER": "existing"}, "IMAGE_REGISTRY"),
    ],
)
def test_bad_variable_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(ClusterError, match=named):
        read_settings(environment)


@pytest.mark.parametrize(
    ("said", "source"), [("reachable", Source.REGISTRY), ("none", Source.LOCAL)]
)
def test_what_the_user_says_about_the_registry_is_not_probed(said: str, source: Source) -> None:
    assert find_source(read_settings({"TAXI_REGISTRY": said})) is source


def test_removing_needs_no_registry() -> None:
    settings = read_settings({"CLUSTER": "existing"}, delivers=False)

    assert settings.target is Target.EXISTING
