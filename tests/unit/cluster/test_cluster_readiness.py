"""When nodes count as ready, and which nodes need which images."""

from datetime import UTC, datetime

from taxi_cluster.node_image import count_nodes, kind_configuration
from taxi_cluster.node_loading import full_name, group_by_missing
from taxi_cluster.readiness import ready_nodes, renewed_since, waiting_for
from taxi_cluster.routes import missing_routes


def node(name: str, ready: str) -> dict[str, object]:
    conditions = [
        {"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}
    ]  # fmt: skip
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def test_only_nodes_whose_condition_is_true_are_ready() -> None:
    nodes = {"items": [node("a", "True"), node("b", "False"), node("c", "Unknown")]}

    assert ready_nodes(nodes) == {"a"}
    assert ready_nodes({"items": [{"metadata": {"name": "new"}}]}) == set()


def test_kubelet_is_alive_when_its_lease_is_newer_than_the_start() -> None:
    leases = {
        "items": [
            {"metadata": {"name": "old"}, "spec": {"renewTime": "2021-03-01T10:00:00.000000Z"}},
            {"metadata": {"name": "new"}, "spec": {"renewTime": "2021-03-01T10:00:02.000000Z"}},
            {"metadata": {"name": "none"}, "spec": {}},
        ]
    }

    assert renewed_since(leases, datetime(2021, 3, 1, 10, 0, 1, tzinfo=UTC)) == {"new"}


def test_waiting_says_what_each_node_lacks() -> None:
    words = waiting_for(["a", "b", "c"], ready={"a", "b"}, alive={"a", "c"})

    assert words == "b (its kubelet is silent), c (not Ready)"
    assert not waiting_for(["a"], {"a"}, {"a"})


def test_node_without_a_way_to_the_pods_of_another_is_found() -> None:
    nodes = {
        "items": [
            {"metadata": {"name": "a"}, "spec": {"podCIDR": "10.244.0.0/24"}},
            {"metadata": {"name": "b"}, "spec": {"podCIDR": "10.244.1.0/24"}},
            {"metadata": {"name": "c"}, "spec": {}},
        ]
    }
    a = "default via 172.18.0.1 dev eth0\n10.244.1.0/24 via 172.18.0.3 dev eth0\n"
    b = "default via 172.18.0.1 dev eth0\n10.244.0.0/24 dev cni0\n"

    assert missing_routes(nodes, {"a": a, "b": b}) == [
        "a to the pods of c",
        "b to the pods of a",
        "b to the pods of c",
    ]


def test_configuration_has_one_control_plane_and_two_workers() -> None:
    text = kind_configuration().read_text()

    assert count_nodes(text) == 3
    assert text.count("- role: worker") == 2


def test_comments_are_no_nodes_and_no_list_means_one() -> None:
    assert count_nodes("nodes:\n  - role: control-plane\n  # - role: worker\n") == 1
    assert count_nodes("kind: Cluster\n") == 1


def test_nodes_that_lack_the_same_images_are_loaded_together() -> None:
    there = {
        "worker": {"docker.io/taxi/a:1"},
        "worker2": {"docker.io/taxi/a:1"},
        "worker3": set(),
        "worker4": {"docker.io/taxi/a:1", "docker.io/taxi/b:1"},
    }

    groups = group_by_missing(["taxi/a:1", "taxi/b:1"], there)

    assert groups == [
        (["taxi/b:1"], ["worker", "worker2"]),
        (["taxi/a:1", "taxi/b:1"], ["worker3"]),
    ]


def test_names_are_completed_as_containerd_does() -> None:
    assert full_name("taxi-monitoring/predict:1") == "docker.io/taxi-monitoring/predict:1"
    assert full_name("quay.io/prometheus/prometheus:v3") == "quay.io/prometheus/prometheus:v3"
    assert full_name("localhost:5000/a:1") == "localhost:5000/a:1"
