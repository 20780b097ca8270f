"""What is confirmed stays: on disk, and on most members of a replica set."""

import asyncio

import pytest

from taxi_store.connection import connect, connect_async

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
