"""Where a predictor's MongoDB is: in a variable, or in a file that is read whenever it is asked."""

from pathlib import Path

import pytest

from taxi_domain.errors import FieldError
from taxi_predict.settings import Settings
from taxi_runtime.settings import read

URI = "mongodb://user:secret@host:27017/taxi"


def settings(uri: str = "", file: Path | str = "") -> Settings:
    return read(Settings, {"TAXI_MONGODB_URI": uri, "TAXI_MONGODB_URI_FILE": str(file)})


def test_the_variable_says_it_for_as_long_as_the_process_runs() -> None:
    assert settings(f" {URI}\n").mongodb_address() == URI


def test_a_file_says_it_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "uri"
    read_in = settings(file=file)
    for password in ("secret", "changed"):
        file.write_text(URI.replace("secret", password) + "\n")
        assert read_in.mongodb_address() == URI.replace("secret", password)


@pytest.mark.parametrize(("uri", "file"), [("", ""), (URI, "/etc/taxi/mongodb/uri")])
def test_it_is_said_in_one_place(uri: str, file: str) -> None:
    with pytest.raises(FieldError, match=r"TAXI_MONGODB_URI: .*TAXI_MONGODB_URI_FILE.* give one"):
        settings(uri, file)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        (b"", "is no URI"),
        (b"\xff", "cannot be read"),
        (b"mongodb://user:hunter2/x@host/taxi", "is no URI"),
        (b"mongodb://user:hunter2@host/admin", "the server's own database"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_without_its_password(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "uri"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(FieldError, match=problem) as refusal:
        settings(file=file).mongodb_address()

    assert str(refusal.value).startswith(f"{file}: ")
    assert "hunter2" not in str(refusal.value)
