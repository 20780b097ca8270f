"""Artifacts: deterministic, checked, and never written where they do not belong."""

import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.models import CARD_FILE, ONNX_FILE, REFERENCE_FILE
from taxi_store.registry.artifacts import (
    MAX_ARCHIVE_BYTES,
    ArtifactError,
    artifact_of,
    digest_of,
    pack,
    unpack,
)

CARD = json.dumps({"format_version": 3}).encode()
FILES = {CARD_FILE: CARD, ONNX_FILE: b"graph", REFERENCE_FILE: b"rides"}


def archive_with(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    strange = tarfile.TarInfo(name)
    strange.type = kind
    strange.linkname = "/etc/passwd"
    return archive_of(strange)


def archive_of(strange: tarfile.TarInfo) -> bytes:
    """Return an archive of the usual files and one more member without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, data in FILES.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        # The header may promise more than there is.
        archive.fileobj.write(strange.tobuf(tarfile.PAX_FORMAT))
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
    with pytest.raises(ArtifactError, match="unexpected member"):
        unpack(archive_with(name))


def test_links_are_refused() -> None:
    with pytest.raises(ArtifactError, match="unexpected member"):
        unpack(archive_with("schema.json", tarfile.SYMTYPE))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, tarfile.DIRTYPE])
def test_other_kinds_of_files_are_refused(kind: bytes) -> None:
    with pytest.raises(ArtifactError):
        unpack(archive_with("schema.json", kind))


def test_a_small_archive_of_a_huge_sparse_file_is_not_unpacked() -> None:
    holes = tarfile.TarInfo("schema.json")
    holes.pax_headers = {
        "GNU.sparse.map": "0,0", "GNU.sparse.size": str(400 * 1024 * 1024),
        "GNU.sparse.numblocks": "1",
    }  # fmt: skip
    small = archive_of(holes)

    assert len(small) < 20_000
    with pytest.raises(ArtifactError):
        unpack(small)


def test_more_content_than_an_artifact_may_have_is_not_read() -> None:
    large = tarfile.TarInfo("schema.json")
    large.size = MAX_ARCHIVE_BYTES

    with pytest.raises(ArtifactError, match="more than"):
        unpack(archive_of(large))


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
