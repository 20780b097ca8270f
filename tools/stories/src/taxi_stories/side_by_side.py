"""Stories of several releases at the same time: each waits most of its time."""

import threading
from collections.abc import Sequence

from taxi_stories.play import StoryError
from taxi_stories.scenario import Scenario
from taxi_stories.story import Teller


def together(scenarios: Sequence[Scenario]) -> dict[str, list[Scenario]]:
    """Return what is told in one release, in the order given, by its place.

    Raises:
        StoryError: two of one place need different releases.
    """
    told: dict[str, list[Scenario]] = {}
    for one in scenarios:
        others = told.setdefault(one.place, [])
        if others and _release(others[0]) != _release(one):
            raise StoryError(
                f"stories {others[0].name} and {one.name}: need different releases in namespace "
                f"{one.place}; tell one of them"
            )
        others.append(one)
    return told


def tell_side_by_side(tellers: Sequence[Teller]) -> None:
    """Tell all; one that fails does not cut the others off, an interrupt does.

    Raises:
        BaseException: what the first one that failed, failed with.
    """
    failed: list[BaseException] = []

    def tell(teller: Teller) -> None:
        try:
            teller.tell()
        except BaseException as error:
            teller.voice.print(f"[red]failed:[/] {type(error).__name__}")
            failed.append(error)

    threads = [threading.Thread(target=tell, args=(one,)) for one in tellers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        # Each removes its release before it ends.
        for one in tellers:
            one.cut_off.set()
        raise
    if failed:
        raise failed[0]


def _release(scenario: Scenario) -> tuple[object, ...]:
    return scenario.release, scenario.example.name, scenario.first, dict(scenario.values)
