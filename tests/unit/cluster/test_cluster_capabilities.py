"""Machines that lack a capability: the arithmetic, and what the runtime leaves out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_cluster import bounded_runtime
from taxi_cluster.bounded_runtime import bound_bundle, bound_process, option
from taxi_cluster.capabilities import NAMES, missing_from

LAST = 40
ALL = (1 << (LAST + 1)) - 1
MISSING = {"CAP_SYS_RESOURCE"}


def test_names_are_those_of_the_kernel() -> None:
    assert len(NAMES) == LAST + 1
    assert NAMES[21] == "SYS_ADMIN"
    assert NAMES[40] == "CHECKPOINT_RESTORE"


def test_whole_machine_lacks_nothing() -> None:
    assert missing_from(ALL, LAST) == []


def test_one_cleared_bit_is_one_missing_name() -> None:
    assert missing_from(0x1FFFEFFFFFF, LAST) == ["CAP_SYS_RESOURCE"]


def test_capability_that_the_kernel_does_not_know_is_not_missing() -> None:
    assert missing_from(ALL >> 1, LAST - 1) == []


def test_capability_newer_than_our_list_is_left_alone() -> None:
    assert missing_from(ALL, LAST + 3) == []


def test_bundle_asks_only_for_what_there_is() -> None:
    config = {
        "process": {
            "args": ["sh"],
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
                "effective": ["CAP_SYS_RESOURCE"],
            },
        },
        "hostname": "x",
    }

    assert bound_bundle(config, MISSING) == {
        "process": {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN"], "effective": []}},
        "hostname": "x",
    }


@pytest.mark.parametrize("config", [{}, {"process": {}}, {"process": {"capabilities": None}}])
def test_bundle_without_capabilities_stays_as_it_is(config: dict[str, object]) -> None:
    assert bound_bundle(json.loads(json.dumps(config)), MISSING) == config


def test_process_of_exec_asks_only_for_what_there_is() -> None:
    process = {"args": ["id"], "capabilities": {"permitted": ["CAP_SYS_RESOURCE", "CAP_KILL"]}}

    assert bound_process(process, MISSING)["capabilities"] == {"permitted": ["CAP_KILL"]}


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["create", "--bundle", "/b", "id"], "/b"),
        (["create", "-b", "/b", "id"], "/b"),
        (["create", "--bundle=/b", "id"], "/b"),
        (["delete", "id"], None),
        (["create", "--bundle"], None),
    ],
)
def test_option_is_found_in_every_spelling(arguments: list[str], value: str | None) -> None:
    assert option(arguments, "--bundle", "-b") == value


def test_runtime_edits_both_files_and_becomes_runc(tmp_path: Path) -> None:
    capabilities = {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"]}
    (tmp_path / "config.json").write_text(json.dumps({"process": {"capabilities": capabilities}}))
    (tmp_path / "process.json").write_text(json.dumps({"capabilities": capabilities}))
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\n')
    runc.chmod(0o755)
    words = ["exec", "--bundle", str(tmp_path), "--process", str(tmp_path / "process.json"), "id"]

    done = subprocess.run(
        [sys.executable, "-IS", bounded_runtime.__file__, "CAP_SYS_RESOURCE", *words],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip

    assert done.stdout.split() == words
    for name in ("config.json", "process.json"):
        assert "CAP_SYS_RESOURCE" not in (tmp_path / name).read_text()
        assert "CAP_KILL" in (tmp_path / name).read_text()
