"""Files are written whole: a full disk or a kill leaves what was there before."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taxi_files.writing import FileWriteError, write_whole, written_whole


def test_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    for content in (b"old", b"new"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_and_then_its_new_name_are_flushed_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    flushed = []
    flush = os.fsync

    def noted(opened: int) -> None:
        flush(opened)
        flushed.append((Path(f"/proc/self/fd/{opened}").readlink(), path.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    write_whole(path, b"new")

    assert flushed == [(tmp_path / ".a.json.part", False), (tmp_path, True)]


def test_what_fails_in_the_middle_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")

    with pytest.raises(TypeError), written_whole(path) as file:
        file.write("no bytes")  # type: ignore[call-overload]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileWriteError, match=r"none/a\.json: cannot be written \(No such file"):
        write_whole(tmp_path / "none" / "a.json", b"")


def test_a_full_disk_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    program = (
        "import pathlib, resource, signal, sys\n"
        "from taxi_files.writing import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_whole(pathlib.Path(sys.argv[1]), b'x' * 100_000)\n"
    )

    process = subprocess.run(
        [sys.executable, "-B", "-c", program, str(path)], capture_output=True, text=True,
        check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert "FileWriteError" in process.stderr
    assert "cannot be written (File too large)" in process.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    program = (
        "import pathlib, sys, time\n"
        "from taxi_files.writing import written_whole\n"
        "with written_whole(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    begin = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert time.monotonic() - begin < 30
    assert path.read_bytes() == b"old"
    write_whole(path, b"again")
    assert path.read_bytes() == b"again"
    assert list(tmp_path.iterdir()) == [path]
