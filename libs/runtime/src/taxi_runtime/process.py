"""Entries of processes: settings and log first, then errors as exit codes."""

import getpass
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.logs import set_up
from taxi_domain.runs import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from taxi_runtime.settings import Environment, read

Settings = TypeVar("Settings", bound=Environment)

logger = logging.getLogger(__name__)

_USAGE_AND_FAILURE: Final[Mapping[type[BaseException], int]] = {
    FieldError: EXIT_USAGE, TaxiError: EXIT_FAILED,
}  # fmt: skip
#: Libraries that log each request or connection.
_NOISY: Final = ("httpx", "distributed", "prefect")


def user_of(by: str) -> str:
    """Return who asks for something: as said, else the name of the process' user."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"  # a uid without a name


def run_service(settings: type[Settings], serve: Callable[[Settings], None]) -> int:
    """Serve until a signal ends it.

    Args:
        settings: Read from the environment.
        serve: What the process does.

    Returns:
        The exit code; 2 when a setting is wrong.
    """
    try:
        given = read(settings)
        set_up()
        serve(given)
    except FieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


@contextmanager
def tool(codes: Mapping[type[BaseException], int] | None = None) -> Iterator[None]:
    """Run a tool that prints what it found; an error is one line, and no log is set up.

    Args:
        codes: As those of `command`.
    """
    known = {**(codes or {}), **_USAGE_AND_FAILURE}
    try:
        yield
    except tuple(known) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_code_of(error, known))


@contextmanager
def command(codes: Mapping[type[BaseException], int] | None = None) -> Iterator[None]:
    """Run a command; an error that its user can act on becomes one line and an exit code.

    Args:
        codes: Exit codes of errors beside usage (2) and other failures (1); the first class that
            fits is taken.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    begin = time.monotonic()
    known = {**(codes or {}), **_USAGE_AND_FAILURE}
    try:
        yield
    except tuple(known) as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        sys.exit(_code_of(error, known))
    logger.info("done after %.1f s", time.monotonic() - begin)


def _code_of(error: BaseException, codes: Mapping[type[BaseException], int]) -> int:
    return next(code for kind, code in codes.items() if isinstance(error, kind))
