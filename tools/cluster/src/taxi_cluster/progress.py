"""One line for each step, with its time; a long step says that it still lives."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_BEAT_SECONDS = 20.0


def say(text: str) -> None:
    """Print one line at once."""
    print(f"    {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Print the title, a line every 20 s while it lasts, and the time at the end.

    Args:
        title: What is done, in a few words.
        detail: Asked at each line for what is going on at the moment.
    """
    begin = time.monotonic()
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_SECONDS):
            say(f"... {title}: {time.monotonic() - begin:.0f} s {detail()}".rstrip())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    say(f"{title} ...")
    try:
        yield
    except BaseException:
        say(f"{title}: failed after {time.monotonic() - begin:.0f} s")
        raise
    else:
        say(f"{title}: {time.monotonic() - begin:.0f} s")
    finally:
        over.set()
        thread.join()
