"""A first model's data from an address: whole, within bounds, or one clear line."""

import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from taxi_domain.errors import NotAvailableError
from taxi_train.data.download import DownloadError, download, is_address

DATA = b"PAR1" + bytes(5000)


class Files(BaseHTTPRequestHandler):
    """Answers as the path says; `/flaky` fails once."""

    failures = 1

    def do_GET(self) -> None:
        if self.path.startswith("/flaky") and Files.failures:
            Files.failures -= 1
            self.send_error(503)
        elif self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/rows.parquet")
            self.end_headers()
        elif self.path.startswith("/absent"):
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["rows.parquet?key=1", "moved/rows.parquet", "flaky/rows.parquet"])
def test_a_file_is_downloaded_whole(address: str, path: str, tmp_path: Path) -> None:
    Files.failures = 1
    file = download(f"{address}/{path}", tmp_path)

    assert (file.name, file.read_bytes()) == ("rows.parquet", DATA)


def test_what_is_too_large_or_absent_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is larger than 100 bytes; use a volume"):
        download(f"{address}/rows.parquet", tmp_path, max_bytes=100)
    with pytest.raises(DownloadError, match="/absent: 404"):
        download(f"{address}/absent", tmp_path)


def test_a_server_that_does_not_answer_is_not_available(tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match="try again later"):
        download("http://127.0.0.1:1/rows.parquet", tmp_path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/..", "rows.parquet"),
        (f"{'x' * 300}.CSV", "rows.csv"),
        ("a%00b.csv", "rows.csv"),
        ("", "rows.parquet"),
    ],
)
def test_a_file_has_a_name_of_its_own(address: str, path: str, name: str, tmp_path: Path) -> None:
    file = download(f"{address}/{path}", tmp_path)

    assert (file.parent, file.name, file.read_bytes()) == (tmp_path, name, DATA)


@pytest.mark.parametrize(
    "rest",
    ["/absent?key=hunter2", "/rows?key=hunter2#hunter2", ":x/rows?key=hunter2", "[/?key=hunter2"],
)
def test_secrets_of_an_address_are_not_told(
    address: str, rest: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = address.replace("//", "//me:hunter2@") + rest

    with caplog.at_level("INFO"), pytest.raises(DownloadError) as error:
        download(secret, tmp_path, max_bytes=1)

    assert str(error.value).startswith("http://")
    assert "hunter2" not in "".join(traceback.format_exception(error.value))
    assert "hunter2" not in caplog.text


def test_a_folder_that_cannot_be_written_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"rows\.parquet: cannot be written \(No such"):
        download(f"{address}/rows.parquet", tmp_path / "absent")


def test_files_are_no_addresses() -> None:
    assert not is_address("/data/http/rows.parquet")
