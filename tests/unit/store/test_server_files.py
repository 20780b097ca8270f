"""Files of a mongod: one for certificate and key, and a key that nobody else can read."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_store.admin.server_files import CERTIFICATE, KEY, copy_certificate, main

CRT = b"-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----"
PRIVATE = b"-----BEGIN PRIVATE KEY-----\nYg==\n-----END PRIVATE KEY-----\n"


def secret(folder: Path, crt: bytes = CRT) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tls.crt").write_bytes(crt)
    (folder / "tls.key").write_bytes(PRIVATE)
    return folder


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Take away the handler of `main`: its output ends with the test, others would log to it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_certificate_and_key_become_one_file(tmp_path: Path) -> None:
    assert copy_certificate(secret(tmp_path / "s"), tmp_path)

    written = tmp_path / CERTIFICATE
    assert written.read_bytes() == CRT + b"\n" + PRIVATE
    assert written.stat().st_mode & 0o777 == 0o640
    assert not copy_certificate(tmp_path / "s", tmp_path)


def test_a_renewed_certificate_is_written_over_the_old_one(tmp_path: Path) -> None:
    copy_certificate(secret(tmp_path / "s"), tmp_path)

    assert copy_certificate(secret(tmp_path / "s", CRT.replace(b"YQ", b"Yw")), tmp_path)
    assert b"Yw==" in (tmp_path / CERTIFICATE).read_bytes()


def test_the_key_of_a_set_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abcdef123456\n")

    for _ in range(2):  # a container that is started anew
        assert main(["--key", str(tmp_path / "key"), "--to", str(tmp_path)]) == 0
        assert (tmp_path / KEY).read_text() == "abcdef123456\n"
        assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--certificates", "none"), "tls.crt: cannot be read"),
        (("--certificates", "empty"), "is no PEM"),
        (("--key", "short"), "has 3 characters"),
    ],
)
def test_unusable_files_are_named(
    tmp_path: Path, options: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret(tmp_path / "empty", b"")
    (tmp_path / "short").write_text("abc")

    code = main([options[0], str(tmp_path / options[1]), "--to", str(tmp_path)])

    assert code == 2
    assert message in capsys.readouterr().out
