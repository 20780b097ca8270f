"""Tokens in files: several are valid at once, and a broken file lets nobody in."""

import errno
from pathlib import Path

import pytest

from taxi_domain.errors import FieldError
from taxi_runtime.tokens import MAX_TOKENS, TokenFiles, matches

OLD, NEW = "old-token-1", "new-token-2"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_files_are_read_again_and_the_first_token_is_the_one_to_send(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "ingest").write_text(f"{OLD}\n")
    files = TokenFiles(tmp_path, ["ingest", "labels"], clock)
    assert files.tokens() == {"ingest": (OLD,), "labels": ()}

    (tmp_path / "ingest").write_text(f"  {NEW}\n\n{OLD}\n")
    assert files.tokens()["ingest"] == (OLD,)
    clock.now = 1.0
    assert files.tokens()["ingest"] == (NEW, OLD)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "has 0 tokens"), (b"short", "cannot be used"), (b"with a blank", "cannot be used"),
        (b"\xff" * 9, "cannot be read"), (b"long-enough\n" * (MAX_TOKENS + 1), "has 9 tokens"),
        ("größer-als-acht".encode(), "cannot be used"),
    ],
)  # fmt: skip
def test_a_broken_file_ends_the_start_and_later_has_no_tokens(
    text: bytes, problem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    path = tmp_path / "ingest"
    path.write_text(OLD)
    files = TokenFiles(tmp_path, ["ingest"], clock)
    path.write_bytes(text)

    with pytest.raises(FieldError, match=problem) as caught:
        TokenFiles(tmp_path, ["ingest"])
    assert OLD not in str(caught.value)
    for second in (1, 2, 3):
        clock.now = second
        assert files.tokens() == {"ingest": ()}
    assert [one.message for one in caplog.records] == ["no new tokens are taken"]
    path.write_text(NEW)
    clock.now = 4
    assert files.tokens() == {"ingest": (NEW,)}


def test_only_a_whole_token_matches() -> None:
    assert matches(OLD, [NEW, OLD])
    assert not matches(OLD[:-1], [NEW, OLD])
    assert not matches("", [NEW, OLD])
    assert not matches("é", [NEW, OLD])
    assert not matches(OLD, [])


def test_of_a_folder_with_a_mistake_only_what_it_had_and_still_has_is_valid(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "leaked").write_text(OLD)
    (tmp_path / "shop").write_text(f"{NEW}\n{OLD}x")
    files = TokenFiles(tmp_path, lambda _name: True, clock)

    (tmp_path / "leaked").unlink()
    (tmp_path / "shop").write_text(f"another-token\n{NEW}\nshort")
    clock.now = 1
    assert files.tokens() == {"leaked": (), "shop": (NEW,)}
    (tmp_path / "shop").unlink()
    clock.now = 2
    assert not any(files.tokens().values())
    (tmp_path / "shop").write_text(OLD)
    clock.now = 3
    assert files.tokens() == {"shop": (OLD,)}


def test_a_file_that_cannot_be_opened_tells_nothing_of_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    (tmp_path / "shop").write_text(OLD)
    files = TokenFiles(tmp_path, lambda _name: True, clock)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    clock.now = 1
    assert files.tokens() == {"shop": (OLD,)}


def test_the_files_of_a_mounted_secret_are_read_as_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mount(moment: str, **tokens: str) -> None:
        """Swap the content, as a kubelet does before it makes and removes the files' links."""
        (tmp_path / moment).mkdir()
        for name, token in tokens.items():
            (tmp_path / moment / name).write_text(token)
        (tmp_path / "..data_tmp").symlink_to(moment)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    clock = Clock()
    mount("..1", leaked=OLD, shop=NEW)
    for name in ("leaked", "shop"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    files = TokenFiles(tmp_path, lambda _name: True, clock)

    mount("..2", store=NEW)
    clock.now = 1
    assert files.tokens() == {"store": (NEW,)}

    read = Path.read_text

    def swap_meanwhile(path: Path) -> str:
        monkeypatch.setattr(Path, "read_text", read)
        mount("..3", shop=NEW, store=OLD)
        return path.read_text()

    monkeypatch.setattr(Path, "read_text", swap_meanwhile)
    clock.now = 2
    assert files.tokens() == {"shop": (NEW,), "store": (OLD,)}
