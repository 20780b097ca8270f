"""Lists of many items in a body: counted before any of them is decoded, and decoded one by one.

A few megabytes of nested brackets are gigabytes of objects; what waits undecoded takes what it
takes in the body.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import DecodeError, Meta, Raw, Struct, ValidationError

from taxi_domain.errors import FieldError
from taxi_domain.records import MAX_PUSHED
from taxi_monitor.records.nesting import has_more
from taxi_runtime.problems import ProblemError

#: Of one item: several times as much as the largest record that is taken.
MAX_ITEM_BYTES: Final = 512 * 1024
_TOO_LONG: Final = "of length <="

Item = TypeVar("Item")


def items_of(data: bytes, name: str, most: int = MAX_PUSHED) -> list[Raw]:
    """Return the list that a JSON body has under a name, its items not decoded yet.

    Raises:
        ProblemError: there is none, or it has too many items.
    """
    if has_more(data, most, 2):
        raise _too_many(name, most)
    found: list[Raw] = getattr(_read(data, _body(name, most), name, most), name)
    return found


def listed(data: bytes, name: str, most: int) -> list[Raw]:
    """Return the items of a body that is a JSON list, not decoded yet.

    Raises:
        ProblemError: it is none, or has too many items.
    """
    if has_more(data, most, 1):
        raise _too_many(name, most)
    found: list[Raw] = _read(data, _items(most), name, most)
    return found


def few(count: int, name: str, most: int = MAX_PUSHED) -> None:
    """Require few enough items for one request.

    Raises:
        ProblemError: they are too many.
    """
    if count > most:
        raise _too_many(name, most)


def each(
    items: Iterable[object], read: Callable[[Any], Item]
) -> tuple[list[Item], list[dict[str, object]]]:
    """Read every item; the bad ones are reported by index and do not fail the others."""
    good: list[Item] = []
    refused: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            value = decoded(item) if isinstance(item, Raw) else item
            good.append(read(value if isinstance(value, dict) else {}))
        except FieldError as error:
            refused.append(refusal(index, error))
    return good, refused


def id_of(item: object, name: str) -> str:
    """Return the id that an item has in a field; empty where it has none that is text."""
    try:
        value = decoded(item) if isinstance(item, Raw) else item
    except FieldError:
        return ""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def refusal(index: int, error: FieldError) -> dict[str, object]:
    """Return what is told of an item that cannot be taken."""
    return {"index": index, "field": error.field, "problem": str(error)}


def decoded(item: Raw) -> object:
    """Return one item.

    Raises:
        FieldError: it is too large, or cannot be decoded.
    """
    if memoryview(item).nbytes > MAX_ITEM_BYTES:
        raise FieldError("item", f"is larger than {MAX_ITEM_BYTES} bytes", "send fewer fields")
    try:
        return msgspec.json.decode(item)
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FieldError("item", f"is not JSON ({error})", "send one object") from error


def field_values(items: Iterable[Raw], name: str) -> Iterator[str]:
    """Yield the texts that the items have in a field; others are passed over."""
    kind = _text_field(name)
    for item in items:
        try:
            yield getattr(msgspec.json.decode(item, type=kind), name)
        except (DecodeError, RecursionError, UnicodeDecodeError):
            # Whoever reads the item says what is wrong with it.
            continue


def _read(data: bytes, kind: Any, name: str, most: int) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except ValidationError as error:
        if _TOO_LONG in str(error):
            raise _too_many(name, most) from error
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name}: is no list; send {{{name!r}: [...]}}", field=name,
        ) from error  # fmt: skip
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"body: is not JSON ({error})") from error


@cache
def _items(most: int) -> Any:
    return Annotated[list[Raw], Meta(max_length=most)]


@cache
def _body(name: str, most: int) -> type[Struct]:
    return msgspec.defstruct("Body", [(name, _items(most))])


@cache
def _text_field(name: str) -> type[Struct]:
    return msgspec.defstruct("Field", [(name, str)])


def _too_many(name: str, most: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{name}: too many items; send at most {most} at once", field=name,
    )  # fmt: skip
