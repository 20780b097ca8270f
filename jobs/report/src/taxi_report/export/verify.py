"""Whether the files of an export are those that their manifests name."""

import hashlib
from collections.abc import Iterator

from taxi_report.destination import Destination
from taxi_report.export.layout import MANIFESTS, day_of_manifest, hive
from taxi_report.export.manifest import File, Manifest, ManifestError, manifest_of


def models_of(destination: Destination) -> list[str]:
    """Return the folders of the models that an export has."""
    return [folder for folder in destination.folders("") if folder.startswith("model=")]


def differences(destination: Destination, folder: str) -> Iterator[tuple[int, list[str]]]:
    """Yield for each day of a model's folder its number of files, and what differs.

    A day that has files and no manifest is not complete: each of its files differs.

    Raises:
        DestinationError: the destination cannot be read.
    """
    complete: set[str] = set()
    for name in destination.files(f"{folder}/{MANIFESTS}"):
        day = day_of_manifest(name)
        if day is None:
            continue
        complete.add(hive("date", day.isoformat()))
        try:
            manifest = manifest_of(name, destination.read(name) or b"")
        except ManifestError as error:
            yield 0, [str(error)]
            continue
        wrong = [problem for file in manifest.files if (problem := _problem(destination, file))]
        yield len(manifest.files), wrong + _unknown(destination, folder, manifest)
    for day_folder, names in _by_day(destination, folder).items():
        if day_folder not in complete:
            yield 0, [f"{name}: its day has no manifest" for name in names]


def present(destination: Destination, folder: str, day: str) -> list[str]:
    """Return the files of a day of all versions, finished or not."""
    return [
        name
        for version in _versions(destination, folder)
        for name in destination.files(f"{version}/{hive('date', day)}")
    ]


def _by_day(destination: Destination, folder: str) -> dict[str, list[str]]:
    """Return the files of all versions by the name of their day's folder."""
    found: dict[str, list[str]] = {}
    for version in _versions(destination, folder):
        for day_folder in destination.folders(version):
            if names := destination.files(day_folder):
                found.setdefault(day_folder.rpartition("/")[2], []).extend(names)
    return found


def _versions(destination: Destination, folder: str) -> list[str]:
    return [
        version
        for version in destination.folders(folder)
        if version.rpartition("/")[2].startswith("model_version=")
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
