"""Whether the files of an export are those that their manifests name."""

import hashlib
from collections.abc import Iterator

from taxi_report.export.destination import Destination
from taxi_report.export.layout import MANIFESTS, day_of_manifest, hive
from taxi_report.export.manifest import File, Manifest, ManifestError, manifest_of


def models_of(destination: Destination) -> list[str]:
    """Return the folders of the models that an export has."""
    return [folder for folder in destination.folders("") if folder.startswith("model=")]


def differences(destination: Destination, folder: str) -> Iterator[tuple[int, list[str]]]:
    """Yield for each day of a model's folder its number of files, and what differs.

    Days without a manifest are not complete and not looked at.

    Raises:
        DestinationError: the destination cannot be read.
    """
    for name in destination.files(f"{folder}/{MANIFESTS}"):
        if day_of_manifest(name) is None:
            continue
        try:
            manifest = manifest_of(name, destination.read(name) or b"")
        except ManifestError as error:
            yield 0, [str(error)]
            continue
        wrong = [problem for file in manifest.files if (problem := _problem(destination, file))]
        yield len(manifest.files), wrong + _unknown(destination, folder, manifest)


def present(destination: Destination, folder: str, day: str) -> list[str]:
    """Return the files of a day of all versions, finished or not."""
    return [
        name
        for version in destination.folders(folder)
        if version.rpartition("/")[2].startswith("model_version=")
        for name in destination.files(f"{version}/{hive('date', day)}")
    ]


def _problem(destination: Destination, file: File) -> str:
    data = destination.read(file.name)
    if data is None:
        return f"{file.name}: is missing"
    if len(data) != file.bytes:
        return f"{file.name}: has {len(data)} bytes, the manifest says {file.bytes}"
    if hashlib.sha256(data).hexdigest() != file.sha256:
        return f"{file.name}: has other content than the manifest says"
    return ""


def _unknown(destination: Destination, folder: str, manifest: Manifest) -> list[str]:
    known = {file.name for file in manifest.files}
    there = present(destination, folder, manifest.day.isoformat())
    return [f"{name}: is in no manifest" for name in there if name not in known]
