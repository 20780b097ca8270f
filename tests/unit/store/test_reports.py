"""A report's document stays within what MongoDB takes, and is the same for the same report."""

import gzip
import random
from dataclasses import replace
from datetime import UTC, datetime

import bson
import pytest

from taxi_domain.errors import FieldError
from taxi_store.reports.reports import (
    MAX_DOCUMENT_BYTES,
    ReportContents,
    ReportEntry,
    ReportTooLargeError,
    fitted,
    is_report_id,
)

ENTRY = ReportEntry(
    report_id="m-20210301T000000Z-20210302T000000Z", model="m", version=None,
    start=datetime(2021, 3, 1, tzinfo=UTC), end=datetime(2021, 3, 2, tzinfo=UTC),
    time_zone="America/New_York", verdict="drift", rows=10, score=1.5, problems=1, seconds=2.5,
    created_at=datetime(2021, 3, 2, 1, tzinfo=UTC),
)  # fmt: skip


def noise(size: int) -> bytes:
    """Return bytes that do not get smaller."""
    return random.Random(size).randbytes(size)


def test_the_same_report_gives_the_same_bytes() -> None:
    contents = ReportContents(b'{"a": 1}', b"<p>", {"one.json": b"{}"})

    assert bson.encode(fitted(ENTRY, contents)[0]) == bson.encode(fitted(ENTRY, contents)[0])


def test_all_is_kept_that_fits() -> None:
    document, left_out = fitted(ENTRY, ReportContents(b"{}", b"<p>", {"one": b"snapshot"}))

    assert left_out == []
    assert gzip.decompress(document["json"]) == b"{}"
    assert gzip.decompress(document["html"]) == b"<p>"
    assert gzip.decompress(document["snapshots"]["one"]) == b"snapshot"
    assert (document["has_html"], document["problems"]) == (True, 1)


def test_snapshots_go_first_and_it_is_told() -> None:
    contents = ReportContents(noise(1000), noise(1000), {"one": noise(3000), "two": noise(3000)})

    document, left_out = fitted(ENTRY, contents, max_bytes=4000)

    assert document["snapshots"] == {}
    assert gzip.decompress(document["html"]) == contents.html
    assert left_out == [
        "snapshots: not stored, 0.0 MB compressed, more than 0.0 MB; make the sample smaller"
    ]
    assert document["problems"] == 2


def test_the_page_goes_next() -> None:
    contents = ReportContents(noise(1000), noise(5000), {"one": noise(100)})

    document, left_out = fitted(ENTRY, contents, max_bytes=4000)

    assert (document["snapshots"], document["html"], document["has_html"]) == ({}, None, False)
    assert [one.split(":")[0] for one in left_out] == ["snapshots", "html"]
    assert gzip.decompress(document["json"]) == contents.json


def test_a_page_too_large_for_mongodb_is_not_stored() -> None:
    document, left_out = fitted(ENTRY, ReportContents(b"{}", noise(17_000_000)))

    assert len(bson.encode(document)) < MAX_DOCUMENT_BYTES
    assert left_out == [
        "html: not stored, 17.0 MB compressed, more than 16.7 MB; "
        "read the JSON document, or give a shorter span"
    ]


def test_a_json_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(ReportTooLargeError, match=r"report m-.*: its JSON document has .* shorter"):
        fitted(ENTRY, ReportContents(noise(5000), b"<p>"), max_bytes=4000)


@pytest.mark.parametrize("report_id", ["", "run/m", "a b", "x" * 301, "m.json", "ü", "a\n", "$a/b"])
def test_an_id_that_no_path_or_query_carries_is_refused(report_id: str) -> None:
    assert not is_report_id(report_id)
    with pytest.raises(FieldError, match="report_id"):
        fitted(replace(ENTRY, report_id=report_id), ReportContents(b"{}"))


def test_a_snapshot_without_a_usable_name_is_refused() -> None:
    with pytest.raises(FieldError, match=r"snapshots: '\$set' is no name"):
        fitted(ENTRY, ReportContents(b"{}", snapshots={"$set": b""}))
