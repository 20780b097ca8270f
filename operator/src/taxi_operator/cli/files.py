"""Policies in YAML files, as `kubectl` reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.kube import KIND

Document = dict[str, Any]

_MAX_BYTES: Final = 1024 * 1024
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Leaves times as texts, as they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def policies_in(path: Path) -> list[Document]:
    """Return the DriftPolicies of a file; other objects in it are passed over.

    Raises:
        TaxiError: it cannot be read, or has none.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise TaxiError(f"{path}: is larger than {_MAX_BYTES} bytes; give a file of policies")
        found = list(yaml.load_all(path.read_text(encoding="utf-8"), _Loader))
    except (OSError, UnicodeDecodeError) as error:
        raise TaxiError(f"{path}: cannot be read ({error}); name another file") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TaxiError(f"{path}: is no YAML ({' '.join(str(error).split())[:300]})") from error
    policies = [one for document in found for one in _objects_in(document)]
    if not policies:
        raise TaxiError(f"{path}: has no object of kind {KIND}")
    return policies


def _objects_in(document: Any) -> Iterator[Document]:
    if not isinstance(document, dict):
        return
    if document.get("kind") == "List":
        for one in document.get("items") or ():
            yield from _objects_in(one)
    elif document.get("kind") == KIND:
        yield document


def policy_in(path: Path) -> Document:
    """Return the only DriftPolicy of a file.

    Raises:
        FieldError: it has several.
        TaxiError: it cannot be read, or has none.
    """
    found = policies_in(path)
    if len(found) > 1:
        names = ", ".join(name_of(one) for one in found)
        raise FieldError(str(path), f"has {len(found)} policies ({names})", "give one a file")
    return found[0]


def name_of(policy: Document) -> str:
    """Return a policy's name, for people."""
    metadata = policy.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(name or "without a name")


def namespace_of(policy: Document, given: str) -> str:
    """Return the namespace that a policy of a file is for."""
    metadata = policy.get("metadata")
    own = metadata.get("namespace") if isinstance(metadata, dict) else None
    return given or str(own or "default")
