"""Notices of decisions: which is due, what is in them, and who may have sent them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from taxi_operator.core.decisions import Action, Decision
from taxi_operator.memory.notices import Occasion, Told, due_of, waits_for_its_end, word_after
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, for_older_resource, status_of
from taxi_operator.notify.notice import (
    ID_HEADER,
    SIGNATURE_HEADER,
    Notice,
    body_of,
    headers_of,
    notice_of,
)

Document = dict[str, Any]

NOW = 1_760_000_000.0
KEY = b"a key that nobody guesses"
UID = "0a1b2c3d-1111-2222-3333-444455556666"
FOUND: Document = {
    "metadata": {"name": "p", "namespace": "ns", "uid": UID},
    "spec": {"modelName": "m", "mode": "Enforce"},
}
DECISION: Document = {
    "id": "0007", "number": 7, "action": "Retrain", "because": ["drift"],
    "at": "2025-10-09T08:53:20Z", "reportURL": "https://m/r", "reportFrom": "2025-10-08T08:53:20Z",
    "message": "asked for", "notice": "Due",
}  # fmt: skip
ENDED: Document = {
    **DECISION, "outcome": "Promoted", "endedAt": "2025-10-09T09:53:20Z", "candidate": "abc",
    "gain": "0.25", "seconds": "1.5", "message": "RMSE 4", "notice": "DecidedTold",
}  # fmt: skip


def notice(entry: Document) -> Notice:
    found = notice_of(FOUND, entry)
    assert found is not None
    return found


def told(entry: Document) -> Document:
    document: Document = json.loads(body_of(notice(entry), "eu", NOW))
    return document


@pytest.mark.parametrize(
    ("word", "ended", "due"),
    [
        (None, False, None), (None, True, None), ("Due", False, "decided"),
        ("Due", True, "decided"), ("DecidedTold", False, None), ("DecidedTold", True, "ended"),
        ("DecidedLost", True, "ended"), ("AllTold", True, None), ("Lost", True, None),
        ("OfANewerRelease", True, None),
    ],
)  # fmt: skip
def test_first_notice_is_due_before_the_second(
    word: str | None, ended: bool, due: str | None
) -> None:
    entry = {"notice": word, **({"outcome": "Promoted"} if ended else {})}

    assert due_of(entry) == due


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_all_is_told_only_when_both_were(first: bool, second: bool) -> None:
    entry: Document = {"notice": str(Told.DUE), "outcome": "Failed"}
    entry["notice"] = word_after(entry, Occasion.DECIDED, delivered=first)
    assert due_of(entry) is Occasion.ENDED

    entry["notice"] = word_after(entry, Occasion.ENDED, delivered=second)

    assert due_of(entry) is None
    assert (entry["notice"] == Told.ALL_TOLD) is (first and second)
    assert not waits_for_its_end(entry)


def test_word_is_remembered_with_its_decision_and_not_by_an_older_resource() -> None:
    status = Status().decided(1, Decision(Action.RETRAIN, ("drift",)), NOW)
    assert status.decision is not None
    status = status.with_notice(status.decision, Told.DUE)
    status = status.with_outcome(1, "Promoted", NOW)

    document = document_of(status, 1)
    read = status_of(document, NOW)

    assert document["decision"]["notice"] == document["history"][0]["notice"] == "Due"
    assert read.history == status.history
    assert read.unreadable == {}
    older = for_older_resource(document)
    assert "notice" not in {**older["decision"], **older["history"][0]}


def test_document_of_a_decision_says_who_decided_what_and_why() -> None:
    assert told(DECISION) == {
        "version": 1, "id": f"{UID}-0007-20251009T085320Z-decided", "event": "decided",
        "cluster": "eu", "namespace": "ns", "policy": "p", "model": "m", "mode": "Enforce",
        "decision": {
            "number": 7, "action": "Retrain", "because": ["drift"], "at": "2025-10-09T08:53:20Z",
            "message": "asked for", "reportURL": "https://m/r",
        },
        "sentAt": "2025-10-09T08:53:20Z",
    }  # fmt: skip


def test_document_of_an_end_has_figures_as_numbers() -> None:
    document = told(ENDED)

    assert document["event"] == "ended"
    assert document["id"].endswith("-0007-20251009T085320Z-ended")
    assert document["outcome"] == {
        "result": "Promoted", "endedAt": "2025-10-09T09:53:20Z", "candidate": "abc",
        "gain": 0.25, "seconds": 1.5, "message": "RMSE 4",
    }  # fmt: skip
    assert "message" not in document["decision"]
    assert notice(ENDED).since == NOW + 3600


@pytest.mark.parametrize("text", ["a lot", "nan", "inf", ""])
def test_figure_that_a_hand_spoilt_is_left_out(text: str) -> None:
    outcome = told({**ENDED, "gain": text})["outcome"]

    assert "gain" not in outcome
    assert outcome["seconds"] == 1.5


def test_late_notice_of_a_decision_says_nothing_of_its_end() -> None:
    document = told({**ENDED, "notice": "Due"})

    assert document["event"] == "decided"
    assert "outcome" not in document
    assert "message" not in document["decision"]


def test_decision_of_a_status_that_was_lost_has_another_id() -> None:
    again = {**DECISION, "at": "2025-10-09T09:00:00Z"}

    assert notice(DECISION).identity != notice(again).identity


def verify_of_the_docs() -> Any:
    page = (Path(__file__).parents[3] / "docs" / "drift-policy.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?def verify\(.*?)```", page, re.DOTALL)
    names: Document = {}
    exec(snippet, names)
    return names["verify"]


def test_snippet_of_the_docs_takes_what_we_send_and_nothing_else() -> None:
    verify, one = verify_of_the_docs(), notice(DECISION)
    body = body_of(one, "eu", NOW)
    headers = headers_of(one, body, KEY, NOW)
    signature = headers[SIGNATURE_HEADER]

    assert headers[ID_HEADER] == one.identity == json.loads(body)["id"]
    assert verify(KEY, signature, body, NOW + 200)
    assert not verify(KEY, signature, body, NOW + 400)
    assert not verify(KEY, signature, body, NOW - 400)
    assert not verify(b"another key of somebody", signature, body, NOW)
    assert not verify(KEY, signature, body.replace(b"Retrain", b"Restore"), NOW)
    assert not verify(KEY, signature.replace(f"t={int(NOW)}", f"t={int(NOW) + 1}"), body, NOW)
    for spoilt in ("", "v1=", "t=x,v1=y", "t=1", signature.replace("v1", "v0")):
        assert not verify(KEY, spoilt, body, NOW)
