"""Label maps of images, found by folders and names."""

from __future__ import annotations

import os
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import CatalogError, be, counted
from medssl.datasets.entry import Entry
from medssl.images.formats.image_files import is_image, is_picture, stem

FIELDS = ("folder", "stem", "name")
PAIRS = {  # folder of images -> folders beside it that hold label maps of the same names
    "images": ("masks", "labels", "segmentations"),
    "imagestr": ("labelsTr",),
    "imagests": ("labelsTs",),
}
SEGMENTATION = ".seg"  # what Slicer writes before the suffix
CHANNEL = "_0000"  # what nnU-Net appends to images, not to label maps


def with_masks(entries: Sequence[Entry], template: str = "") -> list[Entry]:
    """The entries, those without a label map with the one that belongs to them, where there is one.

    Args:
        entries: images.
        template: a path with {folder}, {stem} and {name} (the image's folder, its name without and with suffix), such as
            "{folder}/../labels/{stem}.nii.gz"; "" looks for a file of the same name in a folder beside that of the image:
            images/X with masks/X, labels/X or segmentations/X, imagesTr/X with labelsTr/X, or below its own: masks/X.

    Raises:
        CatalogError: a template with other fields, or one that finds no file for any image.
    """
    if template:
        _check(template)
        paired = [_filled(template, entry) for entry in entries]
        if entries and not any(entry.mask for entry in paired):
            raise CatalogError(
                f"masks {template!r}",
                f"finds no label map: {_fill(template, entries[0].image)} does not exist, for example",
                "Write a path such as {folder}/../labels/{stem}.nii.gz",
                code="label-map-missing",
            )
        return paired
    listed: dict[Path, list[dict[str, Path]]] = {}
    return [entry if entry.mask else replace(entry, mask=_beside(entry.image, listed)) for entry in entries]


def unpaired_notes(entries: Sequence[Entry], label_maps: Sequence[Path]) -> list[str]:
    """The note on label maps that were left out of a folder and belong to no image, with the template that pairs them."""
    paired = {os.path.realpath(entry.mask) for entry in entries if entry.mask}
    alone = [path for path in label_maps if os.path.realpath(path) not in paired]
    if not alone:
        return []
    template = template_of([entry.image for entry in entries], alone)
    way = f"--masks {template!r} pairs them" if template else "--masks TEMPLATE pairs them, see its help"
    count = len(alone)
    return [
        f"{counted(count, 'file')} {be(count)} left out as label maps by name, such as {alone[0].name}, and {'belongs' if count == 1 else 'belong'} to "
        f"no image: {way}; --pattern takes files whatever their name"
    ]


def template_of(images: Sequence[Path], label_maps: Sequence[Path]) -> str:
    """The template that finds most of these label maps for the images in their own folders; "" where none finds any."""
    beside: dict[Path, list[Path]] = {}
    for image in images:
        beside.setdefault(image.parent, []).append(image)
    found = Counter[str]()
    for path in label_maps:
        near = beside.get(path.parent, [])
        longest = max((stem(one) for one in near if stem(one) in path.name), key=len, default="")
        if longest:
            found["{folder}/" + path.name.replace(longest, "{stem}", 1)] += 1
        elif len(near) == 1:
            found["{folder}/" + path.name] += 1
    return found.most_common(1)[0][0] if found else ""


def _filled(template: str, entry: Entry) -> Entry:
    """An image, and each of its further channels, with its label map where the template names one that is there."""
    mask = entry.mask or _existing(_fill(template, entry.image))
    return replace(entry, mask=mask, further=tuple(_filled(template, one) for one in entry.further))


def _check(template: str) -> None:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise CatalogError(
            f"masks {template!r}", f"is no template ({error})", "Close every brace", code="label-map-template"
        ) from error
    if not used <= set(FIELDS) or not used:
        raise CatalogError(
            f"masks {template!r}",
            "must name an image's {folder}, {stem} or {name}, and nothing else",
            "Write {folder}/../labels/{stem}.nii.gz",
            code="label-map-template",
        )


def _fill(template: str, image: Path) -> Path:
    return Path(template.format(folder=image.parent, stem=stem(image), name=image.name))


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _beside(image: Path, listed: dict[Path, list[dict[str, Path]]]) -> Path | None:
    """The label map of an image; `listed` keeps what was found beside each folder of images: stem -> file."""
    if image.parent not in listed:
        listed[image.parent] = [_label_maps_of(folder) for folder in _folders(image)]
    name = stem(image)
    for files in listed[image.parent]:
        found = files.get(name) or files.get(name.removesuffix(CHANNEL))
        if found and found != image:
            return found
    return None


def _label_maps_of(folder: Path) -> dict[str, Path]:
    try:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:  # a folder that may not be listed: with_masks says where a label map is missing
        files = []
    found = [file for file in files if is_image(file) or is_picture(file) or file.suffix.lower() == ".dcm"]
    return {stem(file).removesuffix(SEGMENTATION): file for file in found}


def _folders(image: Path) -> list[Path]:
    """Where the label map of an image may lie."""
    parts = image.parent.parts
    places = [n for n, part in enumerate(parts) if part.lower() in PAIRS]
    beside = [
        Path(*parts[: places[-1]], name, *parts[places[-1] + 1 :])
        for name in (PAIRS[parts[places[-1]].lower()] if places else ())
    ]
    return [*beside, *(image.parent / name for name in PAIRS["images"])]
