"""Names that clients chose are counted in bounded memory, and none of them can do harm."""

import collections
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from taxi_domain.rides import DECLARED
from taxi_predict.serving.undeclared_fields import (
    MAX_NAME_LENGTH,
    MAX_NAMES,
    OTHER,
    FieldNames,
    UndeclaredFields,
)


class Counts(collections.Counter[str]):
    """Takes what is handed over."""

    def take(self, field: str, rides: int) -> None:
        self[field] += rides


def counted(folder: Path, *bodies: object) -> dict[str, int]:
    counts = Counts()
    fields = UndeclaredFields(FieldNames(folder), counts.take)
    for body in bodies:
        fields.add(body)
    fields.flush()
    return dict(counts)


def test_rides_are_counted_by_field_over_several_flushes(tmp_path: Path) -> None:
    counts = Counts()
    fields = UndeclaredFields(FieldNames(tmp_path), counts.take)
    for _ in range(3):
        fields.add({"trip_distance": 1, "fare_amount": 2, "vendor": 1})
        fields.add({"fare_amount": 2})
        fields.flush()
    fields.flush()

    assert counts == {"fare_amount": 6, "vendor": 3}


def test_what_is_no_object_or_wholly_declared_counts_nothing(tmp_path: Path) -> None:
    declared = dict.fromkeys(DECLARED, 1)

    assert counted(tmp_path, [1], None, "x", {}, declared) == {}


def test_a_pod_counts_by_few_names_whatever_its_workers_meet(tmp_path: Path) -> None:
    # One worker after the other, as one that died and its successor.
    labels = set[str]()
    for worker in range(4):
        labels |= set(counted(tmp_path, *({f"w{worker}-f{one}": 1} for one in range(20))))

    assert len(labels - {OTHER}) == MAX_NAMES
    assert OTHER in labels


def test_workers_give_a_name_the_same_label(tmp_path: Path) -> None:
    counted(tmp_path, {"first": 1})
    late, early = FieldNames(tmp_path), FieldNames(tmp_path)
    for one in range(MAX_NAMES):
        early.label(f"f{one}")

    assert late.label("first") == early.label("first") == "first"
    assert late.label("new") == early.label("new") == OTHER


def test_a_body_of_very_many_fields_counts_as_one_ride(tmp_path: Path) -> None:
    body = {f"field-{one}": one for one in range(100_000)}

    found = counted(tmp_path, body, body)

    assert len(found) == MAX_NAMES + 1
    assert set(found.values()) == {2}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", "?"),
        ("trip distance", "trip?distance"),
        ("x" * 1000, "x" * MAX_NAME_LENGTH),
        ('a"b\\c\nd', "a?b?c?d"),
        ("größe\ud800", "gr??e?"),
        ("fare-amount_2.x", "fare-amount_2.x"),
    ],
)
def test_names_are_cut_and_cleaned(tmp_path: Path, name: str, label: str) -> None:
    assert counted(tmp_path, {name: 1}) == {label: 1}


@given(names=st.lists(st.text(max_size=80), max_size=6))
def test_any_name_can_be_exported_and_none_looks_declared(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    registry = CollectorRegistry()
    counter = Counter("undeclared", "h", ["field"], registry=registry)
    found = counted(tmp_path_factory.mktemp("names"), dict.fromkeys(names, 1))
    for field, rides in found.items():
        counter.labels(field).inc(rides)

    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [one for family in families for one in family.samples]
    exported = {one.labels["field"] for one in samples if one.name == "undeclared_total"}
    assert exported == set(found)
    assert not exported & DECLARED
    assert bool(exported) == bool(set(names) - DECLARED)


def test_a_disk_that_takes_no_name_leaves_the_ride_counted(tmp_path: Path) -> None:
    assert counted(tmp_path / "no" / "such" / "folder", {"fare_amount": 1}) == {OTHER: 1}
