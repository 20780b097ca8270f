"""A real mongod that speaks TLS alone, and what becomes of it when its Secrets change."""

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import Authority
from support.mongodb_set import Member, Secrets, closing, uri_of
from support.waiting import wait_for

from taxi_store.admin.upkeep import last_kept
from taxi_store.connection import StoreUnavailableError, connect, database_of, translated

pytestmark = pytest.mark.component


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def member(tmp_path: Path, authority: Authority) -> Iterator[Member]:
    one = Member(tmp_path / "member", Secrets(tmp_path / "secrets", authority), in_a_set=False)
    with closing([one]):
        one.mongod.start()
        one.keep()
        one.wait_until_ready()
        yield one


def uri(member: Member, component: str) -> str:
    return uri_of([member], component, of_set=False)


def shown(member: Member) -> str:
    """Return the certificate that clients are shown."""
    return ssl.get_server_certificate(("127.0.0.1", member.mongod.port), timeout=10)


def test_clients_need_tls_and_trust_the_authority_alone(member: Member, tmp_path: Path) -> None:
    with connect(uri(member, "monitor"), app_name="test") as client:
        assert database_of(client)["labels"].find_one() is None

    other = tmp_path / "other.crt"
    other.write_bytes(Authority("other").pem)
    plain, _, _ = uri(member, "monitor").partition("&tls=")
    for refused in (plain, f"{plain}&tls=true&tlsCAFile={other}"):
        with (
            connect(refused, app_name="test", timeout_seconds=1) as client,
            pytest.raises(StoreUnavailableError),
            translated(),
        ):
            client.admin.command("ping")


def test_a_renewed_certificate_is_shown_without_a_restart(
    member: Member, authority: Authority
) -> None:
    before, pid = shown(member), member.mongod.pid

    authority.secret(member.secrets.tls)

    def is_another() -> bool:
        try:
            return shown(member) != before
        except OSError:  # it is changed at this moment
            return False

    wait_for("the renewed certificate", is_another)
    assert member.mongod.pid == pid
    with connect(uri(member, "monitor"), app_name="test") as client:
        assert database_of(client)["labels"].find_one() is None


def test_a_wrong_root_secret_leaves_a_serving_server_alone_and_is_told(member: Member) -> None:
    right = member.secrets.password("root")
    member.end_keeper()
    # Such as another render of the chart writes, with a container that knows nothing of before.
    member.secrets.set_password("root", "another")
    with connect(uri(member, "monitor"), app_name="test") as client:
        noted = last_kept(database_of(client))
        assert noted is not None

        member.keep()
        wait_for("it says so", lambda: "refuses the password" in member.told())

        # Its probe goes on to answer, and its server to serve.
        assert member.ready.exists()
        assert database_of(client)["labels"].find_one() is None
        # The alert's time stands still.
        assert last_kept(database_of(client)) == noted

        member.secrets.set_password("root", right)
        wait_for("it is kept again", lambda: last_kept(database_of(client)) != noted)


def test_a_secret_without_a_certificate_is_told_and_changes_nothing(
    member: Member, tmp_path: Path
) -> None:
    before = shown(member)
    kept = tmp_path / "kept"
    shutil.move(member.secrets.tls / "tls.key", kept)

    wait_for("it says so", lambda: "tls.key: cannot be read" in member.told())

    assert shown(member) == before
