"""TLS to MongoDB and its replica set: clients have what their URIs name, and so has the server."""

import subprocess
from typing import Any

import pytest
from support.chart import (
    VALUE_FILES,
    Manifest,
    environment,
    manifests,
    pods,
    template,
    wanted_secrets,
)

from taxi_store.admin import bootstrap_users, server_files
from taxi_store.admin.replica_set import Membership
from taxi_store.connection import connect

pytestmark = pytest.mark.chart

SET = "mongodb-replica-set"
CA_FILE = "/etc/taxi/mongodb-tls/ca.crt"
FILE = "TAXI_MONGODB_URI_FILE"


def rendered(files: str = "", values: dict[str, Any] | None = None) -> list[Manifest]:
    return manifests(template(values or {}, files=[VALUE_FILES[files]] if files else []))


def stateful_set(found: list[Manifest]) -> Manifest:
    (only,) = (one for one in found if one["kind"] == "StatefulSet")
    return only


def containers_of(found: list[Manifest]) -> dict[str, Any]:
    spec = stateful_set(found)["spec"]["template"]["spec"]
    return {one["name"]: one for one in [*spec["containers"], *spec.get("initContainers", [])]}


def uris(found: list[Manifest]) -> dict[str, str]:
    return {
        one["name"]: uri.format(password="secret")
        for one in wanted_secrets(found)
        for key, uri in one["data"].items()
        if key.startswith("uri")
    }


def paths_of(container: Any, spec: Any) -> set[str]:
    """Return the files that a container has of Secrets; all of one without items: its folder."""
    volumes = {one["name"]: one for one in spec["volumes"]}
    found = set()
    for mount in container["volumeMounts"]:
        secret = volumes.get(mount["name"], {}).get("secret")
        if secret is not None:
            items = secret.get("items", [{"path": ""}])
            found |= {f"{mount['mountPath']}/{one['path']}" for one in items}
    return found


def asks_mongodb(container: Any) -> bool:
    names = {one["name"] for one in container.get("env", [])}
    return bool(names & {"TAXI_MONGODB_URI", FILE}) or any(
        "bootstrap" in word for word in container.get("command", [])
    )


@pytest.mark.parametrize(
    ("files", "path"), [(SET, CA_FILE), ("external-mongodb", "/etc/taxi/mongodb-tls/")]
)
def test_whoever_asks_mongodb_has_the_authority(files: str, path: str) -> None:
    asking = [
        (name, path in paths_of(one, spec))
        for name, spec in pods(rendered(files))
        for one in spec["containers"]
        if asks_mongodb(one)
    ]

    assert len(asking) >= 8
    assert [name for name, has in asking if not has] == []


def test_nobody_but_the_server_has_its_key() -> None:
    having = {
        one["name"]
        for _, spec in pods(rendered(SET))
        for one in [*spec["containers"], *spec.get("initContainers", [])]
        if any(path.endswith("tls.key") for path in paths_of(one, spec))
    }

    assert having == {"files", "users"}


@pytest.mark.parametrize("mode", ["allowTLS", "preferTLS", "requireTLS"])
def test_tls_comes_in_steps(mode: str) -> None:
    found = rendered(SET, {"mongodb": {"tls": {"mode": mode}}})

    assert f"--tlsMode={mode}" in containers_of(found)["mongodb"]["args"]


def test_without_tls_and_a_set_nothing_is_mounted_for_them() -> None:
    found = rendered()

    assert set(containers_of(found)) == {"mongodb", "users"}
    assert not [one for _, spec in pods(found) for one in spec.get("volumes", [])
                if one["name"] == "mongodb-tls"]  # fmt: skip
    assert {uri.partition("?")[2] for uri in uris(found).values()} == {
        "authSource=taxi", "authSource=admin",
    }  # fmt: skip


def test_uris_name_all_members_and_the_driver_writes_with_them_as_to_a_set() -> None:
    found = uris(rendered(SET))

    assert len(found) == 8
    for uri in found.values():
        plain = uri.replace(f"&tls=true&tlsCAFile={CA_FILE}", "")
        assert plain != uri
        with connect(plain, app_name="test") as client:
            assert client.options.retry_writes
            assert client.options.replica_set_name == "rs0"
            assert client.read_concern.level == "majority"
        assert [f"taxi-mongodb-{n}.taxi-mongodb.ns.svc:27017" in uri for n in range(3)] == [
            True
        ] * 3


def uris_asked_for(found: list[Manifest]) -> set[tuple[str, str]]:
    """Return Secret and key of each URI, in variables and in files that variables name."""
    asked = set()
    for _, spec in pods(found):
        volumes = {one["name"]: one for one in spec.get("volumes", [])}
        for container in spec["containers"]:
            given = environment({"env": [], **container})
            if "TAXI_MONGODB_URI" in given:
                reference = given["TAXI_MONGODB_URI"]["secretKeyRef"]
                asked.add((reference["name"], reference["key"]))
            for mount in container.get("volumeMounts", []):
                secret = volumes.get(mount["name"], {}).get("secret")
                for item in (secret or {}).get("items", []):
                    if f"{mount['mountPath']}/{item['path']}" == given.get(FILE):
                        # A mount of a single file is never brought up to date.
                        assert "subPath" not in mount
                        asked.add((secret["secretName"], item["key"]))
    return asked


@pytest.mark.parametrize(
    ("files", "secret", "key"),
    [("defaults", "taxi-mongodb-predictor", "uri"),
     (SET, "taxi-mongodb-predictor", "uri-rs0-tls"),
     ("external-mongodb", "db-predictor", "uri")],
)  # fmt: skip
def test_predictors_read_their_uri_from_a_file(files: str, secret: str, key: str) -> None:
    """A variable would stay as it was until their pods, with the rows on their disks, go."""
    found = [
        one for one in rendered("" if files == "defaults" else files)
        if one["kind"] == "Deployment"
        and one["metadata"]["name"] in {"taxi-predictor", "taxi-fallback"}
    ]  # fmt: skip

    assert len(found) == 2
    for deployment in found:
        assert uris_asked_for([deployment]) == {(secret, key)}
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert "TAXI_MONGODB_URI" not in environment(container)


SERVER_TLS = {"tls": {"existingSecret": "certificate"}}


@pytest.mark.parametrize(
    ("values", "key"),
    [({}, "uri"), (SERVER_TLS, "uri-tls"), ({"replicas": 3}, "uri-rs0"),
     ({"replicas": 3, "replicaSet": {"name": "x"}} | SERVER_TLS, "uri-x-tls")],
)  # fmt: skip
def test_pods_wait_for_the_form_of_the_uri_that_they_need(values: dict[str, Any], key: str) -> None:
    own = {"existingSecrets": {"monitor": "mine"}}
    found = rendered("everything", {"mongodb": {**values, **own}})
    asked = uris_asked_for(found)
    made = {
        (one["name"], name) for one in wanted_secrets(found) for name in one["data"]
        if name.startswith("uri")
    }  # fmt: skip

    assert len(asked) >= 5
    # Whoever brings a Secret writes one URI.
    assert asked - made == {("mine", "uri")}
    assert {name for _, name in made} == {key}


def test_the_keeper_knows_the_members_that_uris_name() -> None:
    found = rendered(SET)
    given = containers_of(found)["users"]["args"]
    options = bootstrap_users._parser().parse_args(
        [one.replace("$(POD_NAME)", "taxi-mongodb-2") for one in given]
    )

    of_set = Membership(options.replica_set, tuple(options.members.split(",")), options.own)

    assert of_set.own == of_set.hosts[2]
    assert all(f"@{options.members}/" in uri for uri in uris(found).values())
    service = next(one for one in found if one["kind"] == "Service"
                   and one["metadata"]["name"] == "taxi-mongodb")  # fmt: skip
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert stateful_set(found)["spec"]["replicas"] == 3


def test_mongod_reads_the_files_that_the_container_before_it_writes() -> None:
    containers = containers_of(rendered(SET))
    target = next(one for one in containers["files"]["args"] if one.startswith("--to="))[5:]

    assert f"--keyFile={target}/{server_files.KEY}" in containers["mongodb"]["args"]
    certificate = f"--tlsCertificateKeyFile={target}/{server_files.CERTIFICATE}"
    assert certificate in containers["mongodb"]["args"]
    assert f"--server-files={target}" in containers["users"]["args"]
    # mongod refuses a key of another owner.
    pod = stateful_set(rendered(SET))["spec"]["template"]["spec"]["securityContext"]
    assert containers["files"]["securityContext"]["runAsUser"] == pod["runAsUser"]


def test_one_member_of_a_set_may_be_away_at_a_time_and_they_spread() -> None:
    found = rendered(SET)
    (budget,) = (
        one for one in found if one["kind"] == "PodDisruptionBudget"
        and one["metadata"]["name"] == "taxi-mongodb"
    )  # fmt: skip

    selected = budget["spec"]["selector"]["matchLabels"]
    template_of = stateful_set(found)["spec"]["template"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert selected.items() <= template_of["metadata"]["labels"].items()
    (spread,) = template_of["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"


def test_a_key_of_ones_own_is_taken_and_none_made() -> None:
    values = {"mongodb": {"replicaSet": {"existingKeySecret": "own"}}}
    found = rendered(SET, values)

    volumes = stateful_set(found)["spec"]["template"]["spec"]["volumes"]
    (volume,) = (one for one in volumes if one["name"] == "set")
    assert volume["secret"]["secretName"] == "own"
    assert "taxi-mongodb-key" not in {one["metadata"]["name"] for one in found}


@pytest.mark.parametrize(
    "values", [{"replicas": 2}, {"tls": {"mode": "disabled"}}, {"replicaSet": {"name": "a b"}}]
)
def test_what_makes_no_set_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        template({"mongodb": values})

    assert "mongodb" in refusal.value.stderr
