"""The test files that pydicom, nibabel and pynrrd ship: which are read, which are refused, and why.

    python backend/checks/attacks/foreign_files.py [FOLDER ...]

Reads every file below the packages that are installed and the folders given (an unpacked source of pynrrd, say), prints
a table, and compares DICOM slices with SimpleITK's GDCM reader, voxel for voxel. Ends with status 1 if anything but an
error of our own came out, or if a voxel differs.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medssl.core.errors import MedSSLError
from medssl.images.formats.dicom import is_dicom
from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume

PACKAGES = {"pydicom": ("data",), "nibabel": ("tests/data", "nicom/tests/data"), "nrrd": ("tests",)}
NO_IMAGE = (".py", ".pyc", ".md", ".txt", ".json", ".rst")  # what lies beside the files


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    file: str
    result: str  # "read", "refused" or "FAILED"
    detail: str  # shape and modality, or code and reason
    agrees: str = ""  # with GDCM: "equal", what differs, or "" where there is nothing to compare


def shipped_files(packages: Iterable[str] = PACKAGES) -> Iterator[tuple[str, Path]]:
    """Name and path of each test file in the installed ones of `packages`."""
    for package in packages:
        found = importlib.util.find_spec(package)
        if found is None or not found.origin:
            continue
        for folder in PACKAGES[package]:
            root = Path(found.origin).parent / folder
            yield from ((f"{package}/{path.relative_to(root).as_posix()}", path) for path in _files(root))


def _files(root: Path) -> list[Path]:
    return sorted(
        path for path in root.rglob("*") if path.is_file() and path.name[0] != "." and path.suffix not in NO_IMAGE
    )


def try_to_read(name: str, path: Path) -> Outcome:
    """Read one file; any error that is not the project's own is a failure of ours."""
    try:
        volume = read_volume(path)
    except MedSSLError as error:
        return Outcome(name, "refused", f"`{error.code}`: {error.rule}".replace(str(path.parent), "…"))
    except Exception as error:
        return Outcome(name, "FAILED", f"{type(error).__name__}: {error}")
    shape = " x ".join(map(str, volume.shape))
    notes = f" ({' '.join(volume.notes)})" if volume.notes else ""
    return Outcome(name, "read", f"{shape} {volume.modality}{notes}", compare(volume, path))


def compare(volume: Volume, path: Path) -> str:
    """Is the volume what SimpleITK's GDCM reader makes of the file? Radiographs are shown values, not compared."""
    if not is_dicom(path) or volume.modality == "CXR":
        return ""
    try:
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        image = reader.Execute()
    except RuntimeError:
        return "GDCM cannot read it"
    return difference(volume, image)


def difference(volume: Volume, image: sitk.Image) -> str:
    """ "equal", or what differs."""
    array = sitk.GetArrayFromImage(image).T
    if array.shape != volume.shape:
        return f"shape {array.shape}"
    if any("padding" in note for note in volume.notes):
        return "padding differs"
    spacing, origin = np.asarray(image.GetSpacing()), np.asarray(image.GetOrigin())
    direction = np.reshape(image.GetDirection(), (3, 3))
    if (
        direction[:, 2] @ volume.direction[:, 2] < -0.5
    ):  # frames in the file's order: the same slices from the other end
        origin = origin + direction[:, 2] * spacing[2] * (array.shape[2] - 1)
        array, direction = array[..., ::-1], direction * [1, 1, -1]
    if not np.allclose(array, volume.array, rtol=1e-5, atol=1e-4):
        return f"voxels, by up to {np.abs(array.astype(np.float64) - volume.array).max():g}"
    if volume.shape[-1] == 1:  # GDCM calls slices of one file 1 mm thick, we ask SliceThickness
        spacing[2] = volume.spacing[2]
    places = {"spacing": spacing, "origin": origin, "direction": direction}
    wrong = [name for name, value in places.items() if not np.allclose(getattr(volume, name), value, atol=1e-4)]
    placed = not any("place or size is unknown" in note for note in volume.notes)  # else each reader guesses
    return (placed and ", ".join(wrong)) or "equal"


def rows(outcomes: list[Outcome]) -> Iterator[str]:
    """The table's rows: files of one folder with the same outcome share one."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in outcomes:
        folder, _, name = one.file.rpartition("/")
        groups.setdefault((folder, one.result, one.detail, one.agrees), []).append(name)
    for (folder, result, detail, agrees), names in groups.items():
        files = ", ".join(names) if len(names) < 12 else f"{names[0]} … {names[-1]} ({len(names)} files)"
        detail = " ".join(detail.replace("|", "\\|").split())
        yield f"| {folder}: {files} | {result} | {detail} | {agrees} |"


def main(folders: list[str]) -> int:
    """Print the table; the exit status."""
    given = [(f"{Path(folder).name}/{path.relative_to(folder).as_posix()}", path) for folder in folders for path in _files(Path(folder))]  # fmt: skip
    outcomes = [try_to_read(name, path) for name, path in [*shipped_files(), *given]]
    print("| files | outcome | detail | against GDCM |\n|---|---|---|---|")
    print("\n".join(rows(outcomes)))
    counts = {kind: sum(one.result == kind for one in outcomes) for kind in ("read", "refused", "FAILED")}
    wrong = [one for one in outcomes if one.agrees not in ("", "equal", "padding differs", "GDCM cannot read it")]
    print(
        f"\n{len(outcomes)} files: {counts}; against GDCM: {sum(one.agrees == 'equal' for one in outcomes)} equal, {len(wrong)} differ"
    )
    return int(counts["FAILED"] > 0 or bool(wrong))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    raise SystemExit(main(sys.argv[1:]))
