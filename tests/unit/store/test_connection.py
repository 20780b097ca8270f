"""What is confirmed stays: on disk, and on most members of a replica set."""

import asyncio
import traceback

import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from taxi_domain.errors import FieldError
from taxi_store.connection import (
    StoreUnavailableError,
    connect,
    connect_async,
    database_of,
    translated,
)

SAFE = {"w": "majority", "wtimeout": 5000, "j": True}


def test_writes_are_confirmed_by_most_members_in_a_limited_time() -> None:
    with connect("mongodb://a,b,c/taxi?replicaSet=rs", app_name="test") as client:
        assert client.write_concern.document == SAFE
        assert client["taxi"]["predictions"].write_concern.document == SAFE


def test_the_asyncio_client_does_the_same() -> None:
    async def concern() -> object:
        async with connect_async("mongodb://a/taxi", app_name="test") as client:
            return client.write_concern.document

    assert asyncio.run(concern()) == SAFE


@pytest.mark.parametrize("query", ["w=2", "authSource=admin&W=2"])
def test_a_uri_that_says_how_many_decides(query: str) -> None:
    with connect(f"mongodb://a/taxi?{query}", app_name="test") as client:
        assert client.write_concern.document == {"w": 2, "j": True}


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:hunter2/cret@host:27017/taxi",
        "mongodb://user:hunter2@cret@host/taxi",
        "mongodb://user:hunter2",
        "mongodb://user:a/hunter2@host/taxi",
        "user:hunter2@host",
    ],
)
def test_bad_uri_is_told_without_its_password(uri: str) -> None:
    with pytest.raises(FieldError, match="percent-encoded") as refusal:
        connect(uri, app_name="test")

    told = "".join(traceback.format_exception(refusal.value))
    assert "hunter2" not in told.replace(uri, "")


def test_long_refusal_of_the_server_is_cut() -> None:
    with pytest.raises(StoreUnavailableError) as refusal, translated():
        raise OperationFailure("x" * 2_000_000, 13)

    assert len(str(refusal.value)) < 500
    assert "check the user" in str(refusal.value)


def test_a_refused_bulk_is_told_without_its_documents() -> None:
    refused = {"index": 0, "code": 121, "errmsg": "Document failed validation", "op": {"x": 12345}}

    with pytest.raises(StoreUnavailableError) as refusal, translated():
        raise BulkWriteError({"writeErrors": [refused], "writeConcernErrors": []})

    assert str(refusal.value) == "MongoDB refuses: Document failed validation"


@pytest.mark.parametrize(
    ("path", "name"),
    [("", "taxi"), ("/", "taxi"), ("/flights", "flights"), ("/a?authSource=b", "a")],
)
def test_the_uris_path_names_the_database(path: str, name: str) -> None:
    with connect(f"mongodb://127.0.0.1:1{path}", app_name="test") as client:
        assert database_of(client).name == name


@pytest.mark.parametrize(
    ("uri", "retried", "level"),
    [
        ("mongodb://a/taxi", False, None),
        ("mongodb://a,b/taxi?replicaSet=rs", True, "majority"),
        ("mongodb://a,b/taxi?replicaSet=rs&retryWrites=false", False, "majority"),
        ("mongodb://a,b/taxi?replicaSet=rs&readConcernLevel=local", True, "local"),
        ("mongodb://a/taxi?retryWrites=true", True, None),
    ],
)
def test_a_replica_set_is_written_to_again_and_read_by_majority(
    uri: str, retried: bool, level: str | None
) -> None:
    with connect(uri, app_name="test") as client:
        assert client.options.retry_writes is retried
        assert client.read_concern.level == level


def test_a_file_that_the_uri_names_and_nobody_mounted_is_told() -> None:
    uri = "mongodb://user:hunter2@a/taxi?tls=true&tlsCAFile=/nowhere/ca.crt"

    with pytest.raises(FieldError, match="mount the certificates") as refusal:
        connect(uri, app_name="test")

    assert "hunter2" not in str(refusal.value)
