"""Places of reconciles: those who wait have none, and none is lost or made."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from taxi_operator.places import Places


def free(places: Places) -> bool:
    return not places._free.locked()


async def run(
    story: Callable[[Places, asyncio.Event], Awaitable[None]], *, cancel: bool = False
) -> Places:
    """Let a task of one place wait for an event within `left`, and go on or be cancelled."""
    places, event = Places(1), asyncio.Event()
    task = asyncio.ensure_future(story(places, event))
    await asyncio.sleep(0)
    assert free(places), "who waits has left its place"
    async with places:
        event.set()
        await asyncio.sleep(0.01)
        assert not task.done(), "it takes a place again"
        if cancel:
            task.cancel()
            await asyncio.sleep(0.01)
    await asyncio.wait([task])
    return places


async def waits(places: Places, event: asyncio.Event) -> None:
    async with places:
        async with places.left():
            await event.wait()
        assert not free(places)


@pytest.mark.parametrize("cancel", [False, True])
def test_who_waits_leaves_its_place_and_takes_one_again(cancel: bool) -> None:
    async def story() -> None:
        places = await run(waits, cancel=cancel)
        async with places:
            assert not free(places), "there is one place, as before"
        assert free(places)

    asyncio.run(story())


def test_error_while_it_waits_makes_no_second_place() -> None:
    async def story() -> None:
        places = Places(1)
        with suppress(ValueError):
            async with places, places.left():
                raise ValueError
        async with places:
            assert not free(places)

    asyncio.run(story())


def test_who_has_no_place_leaves_none() -> None:
    async def story() -> None:
        places = Places(1)
        async with places.left():
            assert free(places)
        assert free(places)

    asyncio.run(story())
