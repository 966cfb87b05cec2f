"""A training set as a folder of images."""

from __future__ import annotations

import re
from pathlib import Path

import pydicom

from medssl.core.errors import CatalogError
from medssl.datasets.entry import Entry
from medssl.images.dicom.header import RADIOGRAPHS
from medssl.images.formats.dicom import is_dicom
from medssl.images.formats.image_files import is_image, is_picture, stem

MASK_FOLDERS = ("mask", "masks", "label", "labels", "labelstr", "labelsts", "segmentation", "segmentations")
MASK_NAME = re.compile(r"(^|[^a-z])(mask|seg|label|labels|segmentation)$")
PLAIN_FOLDERS = (*MASK_FOLDERS, "image", "images", "imagestr", "imagests", "img", "data", "scans", "volumes", "unlabelled", "unlabeled", "train", "training", "val", "validation", "test")  # fmt: skip


def read_folder(root: Path, pattern: str = "", modality: str = "") -> list[Entry]:
    """List the images below `root`, sorted: those that the glob `pattern` matches (files or series folders), else all.

    Without a pattern, what is plainly a label map is left out: files in folders called masks, labels or segmentations,
    and names that end in mask, seg, label or segmentation.

    Raises:
        CatalogError: a pattern that is not one.
    """
    try:
        found = sorted(root.glob(pattern)) if pattern else [root, *sorted(root.rglob("*"))]
    except (ValueError, NotImplementedError) as error:
        raise CatalogError(
            f"pattern {pattern!r}", "is no pattern below the folder", "For example */ct.nii.gz", code="not-a-pattern"
        ) from error
    visible = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    images = [image for path in visible for image in _images_at(path, matched=bool(pattern))]
    if not pattern:
        images = [image for image in images if not _is_mask(root, image)]
    return [Entry(image, _patient(root, image), modality=modality, name=_name(root, image)) for image in images]


def _images_at(path: Path, matched: bool) -> list[Path]:
    """The images that a file or folder stands for; DICOM files answer through their folder unless matched themselves."""
    if path.is_file():
        return [path] if is_image(path) or is_picture(path) or (matched and is_dicom(path)) else []
    slices = sorted(
        file for file in path.iterdir() if file.name[0] != "." and file.name != "DICOMDIR" and is_dicom(file)
    )
    if not slices:
        return []
    first = pydicom.dcmread(slices[0], stop_before_pixels=True, specific_tags=["Modality"])
    return slices if first.get("Modality", "") in RADIOGRAPHS else [path]


def _is_mask(root: Path, image: Path) -> bool:
    """Whether folder or file name say that this is a label map."""
    *folders, name = image.relative_to(root).parts or (root.name,)
    return any(folder.lower() in MASK_FOLDERS for folder in folders) or bool(MASK_NAME.search(stem(Path(name)).lower()))


def _patient(root: Path, image: Path) -> str:
    """The first folder that is not merely called "images" or so; without one the file's own name."""
    *folders, name = image.relative_to(root).parts or (root.name,)
    if image.is_dir():
        folders.append(name)
    return next((folder for folder in folders if folder.lower() not in PLAIN_FOLDERS), stem(image))


def _name(root: Path, image: Path) -> str:
    relative = image.relative_to(root)
    return str((relative.parent / stem(image)).as_posix()) if relative.parts else root.name
