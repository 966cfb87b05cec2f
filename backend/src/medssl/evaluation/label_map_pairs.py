"""Predicted and true label maps of the same images, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medssl.core.errors import CatalogError, NotFoundError, be, counted, listed
from medssl.core.tables import read_table
from medssl.datasets.entry import Entry, attributes
from medssl.images.formats.image_files import is_image, is_picture, stem

NAMED = 5  # files in a message


@dataclass(frozen=True)
class Pair:
    """A predicted label map and the true one of the same image."""

    image: str
    patient: str
    predicted: Path
    truth: Path
    attributes: dict[str, str] = field(default_factory=dict)
    source: Path | None = None  # the image itself, where it is known


def pairs_of_folders(
    predictions: Path, truth: Path, entries: Sequence[Entry] = (), images: Path | None = None
) -> tuple[list[Pair], list[str]]:
    """Label maps of equal name (without suffix) in two folders; what has no partner is left out with a note.

    Args:
        predictions: a folder of label maps; an index.csv that `medssl segment` left there names patients and images.
        truth: a folder of label maps.
        entries: images of the same names, for patients and attributes; others are left out.
        images: a folder with the images, for pictures.

    Returns:
        The pairs by name, and notes.

    Raises:
        NotFoundError: no such folder.
        CatalogError: no label map, not one pair, or two of one name.
    """
    predicted, true = label_maps(predictions), label_maps(truth)
    about = {entry.name: entry for entry in entries} | {stem(entry.image): entry for entry in entries}
    notes = []
    if about:
        others = sorted(name for name in predicted.keys() & true.keys() if name not in about)
        predicted, true = ({n: p for n, p in maps.items() if n in about} for maps in (predicted, true))
        notes += _left_out(others, "pair", "not in the catalogue")
    names = sorted(predicted.keys() & true.keys())
    if not names:
        there = f"{listed(sorted(true), NAMED)} there" if true else "none of the catalogue there"
        rule = f"holds no label map of the same name as one in {truth} ({there})"
        raise CatalogError(predictions, rule, "Names must be equal but for the suffix", code="label-maps-missing")
    index = _Index.beside(predictions)
    notes += _left_out(sorted(true.keys() - predicted.keys()), "true label map", "without a prediction")
    if failed := sorted(name for name in true if name in index.failed):
        be_of = "was" if len(failed) == 1 else "were"
        notes.append(
            f"{counted(len(failed), 'image')} could not be segmented and {be_of} left out ({listed(failed, NAMED)}): the numbers are "
            "those of the others alone, which makes a model look better than it is"
        )
    notes += _left_out(sorted(predicted.keys() - true.keys()), "prediction", "without a true label map")
    of_folder = images_by_name(images) if images else {}
    pairs, unknown = [], 0
    for name in names:
        entry = about.get(name)
        patient = entry.patient if entry else index.patients.get(predicted[name].name, "")
        unknown += not patient
        sources = (of_folder.get(name), entry.image if entry else None, index.images.get(predicted[name].name))
        source = next((path for path in sources if path and path.exists()), None)
        known = attributes(entry) if entry else {}
        pairs.append(Pair(name, patient or name, predicted[name], true[name], known, source))
    if unknown:
        notes.append(f"The patients of {counted(unknown, 'image')} are unknown: each counts as a patient of its own")
    return pairs, notes


def label_maps(folder: Path) -> dict[str, Path]:
    """Name without suffix -> file, of the image files in a folder.

    Raises:
        NotFoundError: no such folder.
        CatalogError: none, or two of one name.
    """
    if not folder.is_dir():
        raise NotFoundError(folder, "is no folder", "Give the folder of the label maps", code="folder-not-found")
    found: dict[str, Path] = {}
    for path in _image_files(folder.iterdir()):
        if stem(path) in found:
            raise CatalogError(path, f"has the same name as {found[stem(path)].name}", "Keep one of the two")
        found[stem(path)] = path
    if not found:
        raise CatalogError(folder, "holds no label maps", "Give a folder with NIfTI, NRRD or PNG files")
    return found


def images_by_name(folder: Path) -> dict[str, Path]:
    """Name without suffix -> file, of the image files anywhere below a folder; of several of one name the first.

    Raises:
        NotFoundError: no such folder.
    """
    if not folder.is_dir():
        raise NotFoundError(folder, "is no folder", "Give the folder of the images", code="folder-not-found")
    return {stem(path): path for path in reversed(_image_files(folder.rglob("*")))}


@dataclass(frozen=True)
class _Index:
    """What `medssl segment` wrote: by the file of a label map the patient and the image; names of images that failed."""

    patients: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Path] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()

    @classmethod
    def beside(cls, predictions: Path) -> _Index:
        if not (predictions / "index.csv").is_file():
            return cls()
        rows = read_table(predictions / "index.csv").rows
        return cls(
            {row["output"]: row["patient"] for row in rows},
            {row["output"]: Path(row["image"]) for row in rows if row.get("image")},
            frozenset(stem(Path(row["image"])) for row in rows if row.get("status") == "failed"),
        )


def _image_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and (is_image(path) or is_picture(path)))


def _left_out(names: Sequence[str], noun: str, why: str) -> list[str]:
    if not names:
        return []
    count = len(names)
    return [f"{counted(count, noun)} {why} {be(count)} left out: {listed(names, NAMED)}"]
