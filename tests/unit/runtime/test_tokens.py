"""Tokens in files: several are valid at once, and a broken file changes nothing."""

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
def test_a_broken_file_ends_the_start_and_later_changes_nothing(
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
        assert files.tokens() == {"ingest": (OLD,)}
    assert [one.message for one in caplog.records] == ["tokens are not read anew"]
    path.write_text(NEW)
    clock.now = 4
    assert files.tokens() == {"ingest": (NEW,)}


def test_only_a_whole_token_matches() -> None:
    assert matches(OLD, [NEW, OLD])
    assert not matches(OLD[:-1], [NEW, OLD])
    assert not matches("", [NEW, OLD])
    assert not matches("é", [NEW, OLD])
    assert not matches(OLD, [])
