"""Artifacts: deterministic, checked, and never written where they do not belong."""

import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.models import CARD_FILE, ONNX_FILE, REFERENCE_FILE
from taxi_store.artifacts import ArtifactError, artifact_of, digest_of, pack, unpack

CARD = json.dumps({"format_version": 2}).encode()
FILES = {CARD_FILE: CARD, ONNX_FILE: b"graph", REFERENCE_FILE: b"rides"}


def archive_with(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, data in FILES.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        strange = tarfile.TarInfo(name)
        strange.type = kind
        strange.linkname = "/etc/passwd"
        archive.addfile(strange, io.BytesIO(b""))
    return buffer.getvalue()


def test_archive_comes_back_as_the_same_artifact() -> None:
    artifact = unpack(pack(FILES), expected_digest=digest_of(FILES))

    assert artifact.files == FILES
    assert len(artifact.version) == 12


def test_order_of_files_changes_nothing() -> None:
    turned = dict(reversed(list(FILES.items())))

    assert pack(FILES) == pack(turned)
    assert digest_of(FILES) == digest_of(turned)


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "other.bin", CARD_FILE])
def test_strange_members_are_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="strange"):
        unpack(archive_with(name))


def test_links_are_refused() -> None:
    with pytest.raises(ArtifactError, match="strange"):
        unpack(archive_with("schema.json", tarfile.SYMTYPE))


def test_another_digest_is_refused() -> None:
    with pytest.raises(ArtifactError, match="digest"):
        unpack(pack(FILES), expected_digest="sha256:" + "0" * 64)


@pytest.mark.parametrize("card", [b"", b"[]", b"{}", b'{"format_version": 99}'])
def test_foreign_card_is_refused(card: bytes) -> None:
    with pytest.raises(ArtifactError):
        artifact_of({**FILES, CARD_FILE: card})


@given(st.integers(0, 4000), st.integers(1, 255))
def test_flipped_byte_never_passes_the_digest(position: int, change: int) -> None:
    archive = bytearray(pack(FILES))
    archive[position % len(archive)] ^= change

    try:
        artifact = unpack(bytes(archive), expected_digest=digest_of(FILES))
    except ArtifactError:
        return
    assert artifact.files == FILES  # a byte of the archive's own fields that says nothing
