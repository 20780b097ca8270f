"""Secrets are made in the cluster, by a Job with the rights for these and no others."""

import base64
import importlib.util
from collections.abc import Mapping
from typing import Any

import pytest
from support.chart import CHART, VALUE_SETS, objects, rendered, wanted_secrets

pytestmark = pytest.mark.chart

_SPEC = importlib.util.spec_from_file_location("make_secrets", CHART / "files/make_secrets.py")
assert _SPEC is not None
assert _SPEC.loader is not None
make_secrets = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make_secrets)


class Secrets:
    """The API server, as far as Secrets are concerned."""

    def __init__(self, found: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.data = {name: dict(data) for name, data in (found or {}).items()}
        self.calls: list[str] = []

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        self.calls.append(method)
        name = path.removeprefix("/")
        if method == "GET":
            found = self.data.get(name)
            coded = {key: base64.b64encode(text.encode()) for key, text in (found or {}).items()}
            return None if found is None else {"data": coded}
        assert body is not None
        name = name or body["metadata"]["name"]
        self.data.setdefault(name, {}).update(body["stringData"])
        return {}


def user(uri: str = "mongodb://a:{password}@host/taxi", **more: Any) -> dict[str, Any]:
    data = {"username": "a", "uri": uri}
    whole = {"name": "one", "labels": {}, "annotations": {}, "random": ["password"], "data": data}
    return {**whole, **more}


def test_a_missing_secret_is_made_whole_and_then_left_alone() -> None:
    secrets = Secrets()
    assert make_secrets.ensure(secrets, user()) == "one: made"
    first = dict(secrets.data["one"])

    assert make_secrets.ensure(secrets, user()) == "one: is there"
    assert secrets.data["one"] == first
    assert len(first["password"]) == 32
    assert first["uri"] == f"mongodb://a:{first['password']}@host/taxi"
    assert secrets.calls == ["GET", "POST", "GET"]


def test_a_password_stays_when_the_address_changes() -> None:
    secrets = Secrets({"one": {"password": "p/w", "username": "a", "uri": "mongodb://old"}})

    assert make_secrets.ensure(secrets, user()) == "one: uri set"
    assert secrets.data["one"]["uri"] == "mongodb://a:p%2Fw@host/taxi"
    assert secrets.data["one"]["password"] == "p/w"


def test_the_one_token_of_before_becomes_that_for_labels() -> None:
    secrets = Secrets({"one": {"token": "old"}})
    wanted = user(random=["ingest", "labels"], data={}, before={"labels": "token"})

    assert make_secrets.ensure(secrets, wanted) == "one: ingest, labels set"
    assert secrets.data["one"]["labels"] == "old" != secrets.data["one"]["ingest"]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_role_names_the_secrets_of_the_release(name: str) -> None:
    wanted = wanted_secrets(rendered(name))
    roles = [one for key, one in objects(name, "Role").items() if key.endswith("-secrets")]

    assert bool(roles) == bool(wanted)
    for role in roles:
        create, change = role["rules"]
        assert (create["resources"], create["verbs"]) == (["secrets"], ["create"])
        assert (change["resources"], change["verbs"]) == (["secrets"], ["get", "patch"])
        assert change["resourceNames"] == [one["name"] for one in wanted]


def test_no_secret_looks_like_a_leftover_of_the_release() -> None:
    wanted = wanted_secrets(rendered("default"))

    assert len(wanted) == 6
    for one in wanted:
        # Argo CD tracks by this label what it made, and removes what is not rendered.
        assert "app.kubernetes.io/instance" not in one["labels"]
        assert one["labels"]["app.kubernetes.io/part-of"] == "taxi-monitoring"
