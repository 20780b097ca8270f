"""What is kept of watched objects, and which of two tales of one object is the newer one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.kube import GROUP, POLICY_UID_LABEL
from taxi_operator.adapters.kinds import (
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    POLICIES,
    SERVICES,
    matches,
)
from taxi_operator.adapters.store import ExpiredError, Store
from taxi_operator.core.services import ACTIVE_LABEL

Document = dict[str, Any]


def an_object(name: str, version: int, **labels: str) -> Document:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


def versions(store: Store) -> dict[str, int]:
    return {one["metadata"]["name"]: int(one["metadata"]["resourceVersion"]) for one in store.all()}


@pytest.fixture
def store() -> Store:
    """Return Deployments `a` and `b` as a list at version 10 had them."""
    found = Store(DEPLOYMENTS)
    found.replace([an_object("a", 3), an_object("b", 4)], 10)
    return found


def test_events_are_followed(store: Store) -> None:
    store.follow("MODIFIED", an_object("a", 11))
    store.follow("ADDED", an_object("c", 12))
    store.follow("DELETED", an_object("b", 13))
    store.follow("BOOKMARK", an_object("", 20))

    assert (versions(store), store.version) == ({"a": 11, "c": 12}, 20)


@pytest.mark.parametrize("event", ["MODIFIED", "ADDED", "DELETED"])
@pytest.mark.parametrize("version", [9, 10])
def test_event_of_another_history_is_not_followed(store: Store, event: str, version: int) -> None:
    with pytest.raises(ExpiredError):
        store.follow(event, an_object("a", version))


def test_bookmark_may_say_where_the_watch_is_and_never_that_it_went_back(store: Store) -> None:
    store.follow("BOOKMARK", an_object("", 10))
    with pytest.raises(ExpiredError):
        store.follow("BOOKMARK", an_object("", 9))


def test_own_answer_is_known_at_once_and_no_older_event_undoes_it(store: Store) -> None:
    store.bring(an_object("a", 15))
    assert versions(store)["a"] == 15

    store.follow("MODIFIED", an_object("a", 12))
    assert versions(store)["a"] == 15
    store.follow("MODIFIED", an_object("a", 16))
    assert versions(store)["a"] == 16


def test_answer_that_comes_late_brings_nothing_back(store: Store) -> None:
    store.follow("DELETED", an_object("a", 12))
    store.bring(an_object("a", 11))

    assert "a" not in versions(store)


def test_object_made_anew_is_not_taken_for_the_one_that_went(store: Store) -> None:
    store.bring(an_object("a", 15))
    store.follow("DELETED", an_object("a", 12))

    assert versions(store)["a"] == 15


def test_list_that_began_before_an_own_answer_does_not_undo_it(store: Store) -> None:
    store.begin_list()
    store.bring(an_object("a", 25))
    store.bring(an_object("new", 26))
    store.replace([an_object("a", 11), an_object("b", 4)], 20)
    assert versions(store) == {"a": 25, "b": 4, "new": 26}

    store.begin_list()
    store.replace([an_object("b", 4)], 30)
    assert versions(store) == {"b": 4}


def test_list_of_another_history_takes_the_place_of_all(store: Store) -> None:
    store.bring(an_object("a", 1000))
    store.begin_list()
    store.replace([an_object("a", 2)], 5)

    assert (versions(store), store.version) == ({"a": 2}, 5)


def test_object_that_lost_the_label_is_not_watched_any_more() -> None:
    store = Store(SERVICES)
    store.replace([an_object("s", 1, **{ACTIVE_LABEL: "true"})], 1)
    store.bring(an_object("s", 2))
    store.bring(an_object("other", 3))

    assert versions(store) == {}


def test_jobs_are_found_by_their_policy() -> None:
    store = Store(JOBS)
    store.replace(
        [an_object(name, 1, **{POLICY_UID_LABEL: name[0]}) for name in ("a1", "a2", "b1")], 5
    )
    store.follow("DELETED", an_object("a1", 6, **{POLICY_UID_LABEL: "a"}))
    store.follow("MODIFIED", an_object("b1", 7, **{POLICY_UID_LABEL: "a"}))

    assert sorted(one["metadata"]["name"] for one in store.group("a")) == ["a2", "b1"]
    assert store.group("b") == []


events = st.tuples(st.sampled_from("ab"), st.sampled_from(["MODIFIED", "DELETED"]), st.booleans())


@given(st.lists(events, max_size=12), st.permutations(range(12)))
def test_whatever_comes_late_the_end_is_that_of_the_server(
    history: list[tuple[str, str, bool]], order: list[int]
) -> None:
    """Own answers come in any order, early or late; the watch comes in its own."""
    told = [(an_object(name, 11 + at), event) for at, (name, event, _) in enumerate(history)]
    answers = [
        (max(at, order[at] % 12), document)
        for at, ((document, event), (_, _, own)) in enumerate(zip(told, history, strict=True))
        if own and event != "DELETED"
    ]
    store, truth = Store(DEPLOYMENTS), {}
    store.replace([], 10)
    for at, (document, event) in enumerate(told):
        truth[document["metadata"]["name"]] = event == "MODIFIED" and 11 + at
        for when, answer in answers:
            if when == at:
                store.bring(answer)
        store.follow(event, document)
    for when, answer in answers:
        if when >= len(told):
            store.bring(answer)

    assert versions(store) == {name: version for name, version in truth.items() if version}


def test_only_what_is_read_is_kept() -> None:
    pods = {"containers": [{"name": "c", "env": [{"name": "SECRET"}] * 50}]}
    noted = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 5000, f"{GROUP}/model": "v1"}
    whole = {
        "metadata": {
            "name": "d", "resourceVersion": "1", "annotations": noted, "labels": {"a": "b"},
            "managedFields": [{"manager": "helm"}], "ownerReferences": [{"uid": "u", "kind": "K"}],
        },
        "spec": {
            "replicas": 2, "selector": {"app": "d"}, "suspend": True,
            "jobTemplate": {"spec": {"template": {"spec": pods}}},
            "template": {"metadata": {"annotations": noted}, "spec": pods},
        },
        "status": {
            "readyReplicas": 1, "active": 1,
            "conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "x"}],
        },
    }  # fmt: skip
    conditions = [{"type": "Available", "status": "True"}]
    metadata = {"name": "d", "resourceVersion": "1", "labels": {"a": "b"}}

    assert DEPLOYMENTS.kept(whole) == {
        "metadata": {"name": "d", "resourceVersion": "1"},
        "spec": {
            "replicas": 2, "selector": {"app": "d"},
            "template": {"metadata": {"annotations": {f"{GROUP}/model": "v1"}}},
        },
        "status": {"readyReplicas": 1, "conditions": conditions},
    }  # fmt: skip
    assert SERVICES.kept(whole) == {
        "metadata": {**metadata, "annotations": {f"{GROUP}/model": "v1"}},
        "spec": {"selector": {"app": "d"}},
    }
    assert JOBS.kept(whole) == {
        "metadata": {
            **metadata, "annotations": {f"{GROUP}/model": "v1"}, "ownerReferences": [{"uid": "u"}],
        },
        "status": {"conditions": conditions},
    }  # fmt: skip
    assert CRON_JOBS.kept(whole) == {"metadata": metadata}
    assert POLICIES.kept(whole) == {
        "metadata": metadata, "spec": whole["spec"], "status": whole["status"]
    }  # fmt: skip


def test_strange_objects_are_kept_as_they_are() -> None:
    for odd in ({}, {"metadata": None, "spec": 5}, {"status": {"conditions": "?"}}):
        assert DEPLOYMENTS.kept(odd) == odd


def test_names_of_many_objects_are_kept_once() -> None:
    texts = [json.dumps({"spec": {"target": {"deploymentName": "d"}}}) for _ in range(2)]
    one, other = (POLICIES.kept(json.loads(text)) for text in texts)

    assert next(iter(one["spec"]["target"])) is next(iter(other["spec"]["target"]))


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True), ("a", True), ("c", False), ("a=1", True), ("a=2", False), ("c=1", False),
        ("a!=2", True), ("a!=1", False), ("c!=1", True), ("a,c!=1,a=1", True), ("a=1,c", False),
    ],
)  # fmt: skip
def test_labels_are_matched_as_the_api_server_does(selector: str, fits: bool) -> None:
    assert matches({"a": "1", "b": "2"}, selector) is fits
    assert not matches(None, "a")
