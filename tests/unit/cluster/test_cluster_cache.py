"""Keys of built pieces: the same content has the same key, any change another one."""

import threading
import time
from pathlib import Path

import pytest

from taxi_cluster.cache import cache_folder, exclusive, key_of, key_of_files
from taxi_cluster.project_images import content_of


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_key_tells_where_one_part_ends() -> None:
    assert key_of("a", "b") != key_of("ab")
    assert key_of("a", "b") != key_of("b", "a")


def test_key_of_files_does_not_depend_on_the_place_or_the_order(tmp_path: Path) -> None:
    keys = set()
    for root in (tmp_path / "one", tmp_path / "two"):
        paths = [write(root, "x.py", "1"), write(root, "sub/y.py", "2")]
        keys |= {key_of_files(paths, root), key_of_files(reversed(paths), root)}

    assert len(keys) == 1


@pytest.mark.parametrize("change", ["content", "name", "executable"])
def test_key_of_files_sees_every_change(tmp_path: Path, change: str) -> None:
    path = write(tmp_path, "x.py", "1")
    before = key_of_files([path], tmp_path)
    if change == "content":
        path.write_text("2")
    elif change == "name":
        path = path.rename(tmp_path / "y.py")
    else:
        path.chmod(0o755)

    assert key_of_files([path], tmp_path) != before


def test_tests_and_caches_are_no_content_of_an_image(tmp_path: Path) -> None:
    kept = [write(tmp_path, "src/a.py", ""), write(tmp_path, "src/data/b.parquet", "")]
    for name in (
        "tests/test_a.py",
        "src/__pycache__/a.pyc",
        "src/x.egg-info/PKG-INFO",
        "src/a.pyc",
    ):
        write(tmp_path, name, "")

    assert content_of(tmp_path) == sorted(kept)


def test_content_of_a_file_is_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "Dockerfile", "")

    assert content_of(path) == [path]
    assert content_of(tmp_path / "missing") == []


def test_second_run_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    order: list[str] = []

    def second() -> None:
        with exclusive("cluster"):
            order.append("second")

    thread, told = threading.Thread(target=second), ""
    with exclusive("cluster"):
        thread.start()
        deadline = time.monotonic() + 60
        while "waiting" not in told:
            assert time.monotonic() < deadline, told
            thread.join(0.02)
            told += capsys.readouterr().err
        order.append("first")
    thread.join(60)

    assert order == ["first", "second"]
    assert cache_folder() == tmp_path / "taxi-monitoring"
