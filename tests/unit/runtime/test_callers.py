"""Callers by name: several tokens each, which come and go while the process runs."""

import base64
from pathlib import Path

import pytest

from taxi_domain.errors import FieldError
from taxi_runtime.callers import Callers, token_of
from taxi_runtime.problems import ProblemError
from taxi_runtime.tokens import MAX_FILES

OLD, NEW, OTHER = "old-token-1", "new-token-2", "token-of-another"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_callers_come_change_their_token_and_go(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "shop").write_text(OLD)
    # As the kubelet mounts a Secret.
    (tmp_path / "..data").mkdir()
    callers = Callers(tmp_path, clock)
    assert callers.name_of(f"Bearer {OLD}") == "shop"
    assert callers.name_of(f"Bearer {NEW}") is None

    (tmp_path / "shop").write_text(f"{NEW}\n{OLD}\n")
    (tmp_path / "billing").write_text(OTHER)
    clock.now = 1.0
    names = [callers.name_of(f"Bearer {one}") for one in (OLD, NEW, OTHER)]
    assert names == ["shop", "shop", "billing"]

    (tmp_path / "shop").unlink()
    clock.now = 2.0
    assert callers.name_of(f"Bearer {NEW}") is None
    assert callers.name_of(f"Bearer {OTHER}") == "billing"


def test_who_has_no_token_is_told_what_to_send(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text(OLD)
    callers = Callers(tmp_path)
    for header in ("", "Bearer", "Bearer ", f"Bearer {OLD[:-1]}", OLD, "Basic !"):
        with pytest.raises(ProblemError, match="send `Bearer`") as caught:
            callers.require(header)
        assert caught.value.status == 401
        assert "WWW-Authenticate" in caught.value.headers
        assert OLD not in str(caught.value)


def test_two_callers_with_one_token_end_the_start_and_later_bring_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    (tmp_path / "shop").write_text(OLD)
    callers = Callers(tmp_path, clock)
    (tmp_path / "billing").write_text(OLD)

    with pytest.raises(FieldError, match="have the same token") as caught:
        Callers(tmp_path)
    assert OLD not in str(caught.value)
    for second in (1.0, 2.0):
        clock.now = second
        assert callers.name_of(f"Bearer {OLD}") == "shop"
    assert [one.message for one in caplog.records] == ["no new callers are taken"]


def test_who_is_taken_away_is_out_whatever_else_is_wrong(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "leaked").write_text(OLD)
    (tmp_path / "shop").write_text(f"{NEW}\n{NEW}-2")
    callers = Callers(tmp_path, clock)

    (tmp_path / "leaked").unlink()
    (tmp_path / "shop").write_text(NEW)
    (tmp_path / "billing").write_text(f"{NEW}\n{OTHER}")
    clock.now = 1.0
    names = [callers.name_of(f"Bearer {one}") for one in (OLD, NEW, f"{NEW}-2", OTHER)]
    assert names == [None, "shop", None, None]

    (tmp_path / "billing").write_text(OTHER)
    clock.now = 2.0
    names = [callers.name_of(f"Bearer {one}") for one in (OLD, NEW, OTHER)]
    assert names == [None, "shop", "billing"]

    for name in ("shop", "billing"):
        (tmp_path / name).unlink()
    clock.now = 3.0
    assert {callers.name_of(f"Bearer {one}") for one in (OLD, NEW, OTHER)} == {None}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "has 0 files"), (["a b"], "is no name"), (["-a"], "is no name"),
        ([f"caller-{one}" for one in range(MAX_FILES + 1)], "has 101 files"),
    ],
)  # fmt: skip
def test_a_folder_that_names_nobody_ends_the_start(
    names: list[str], problem: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_text(f"token-of-{name}".replace(" ", ""))
    with pytest.raises(FieldError, match=problem):
        Callers(tmp_path)
    with pytest.raises(FieldError, match="cannot be read"):
        Callers(tmp_path / "nothing")


def test_a_browser_sends_the_token_as_a_password() -> None:
    assert token_of(f"Bearer  {OLD}") == OLD
    assert token_of("basic " + base64.b64encode(f"ann:{OLD}".encode()).decode()) == OLD
    assert token_of("Basic " + base64.b64encode(b"nobody").decode()) == ""
    assert token_of("Digest x") == token_of("") == ""
