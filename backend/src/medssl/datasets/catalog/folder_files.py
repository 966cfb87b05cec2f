"""The files below a folder, walked once: images, DICOM files, what is left out and why, and what cannot be reached."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medssl.core.errors import printable
from medssl.datasets.catalog.patients import SUBJECT
from medssl.images.formats.dicom import is_dicom
from medssl.images.formats.image_files import is_image, is_picture, stem

MASK_FOLDERS = ("mask", "masks", "label", "labels", "labelstr", "labelsts", "segmentation", "segmentations")
WORDS = r"(masks?|d?seg|probseg|labels?|labelmap|segmentation|annotation|ground[-_ ]?truth|gt)"
MASK_NAME = re.compile(rf"(^|[^a-z]){WORDS}$|^{WORDS}[^a-z]")  # case7_seg, ct-label, mask_007
DERIVED = ("derivatives", "sourcedata")  # of a BIDS set: results of others, and what it was made from
NOT_OF_THE_SET = ("__MACOSX", "System Volume Information", "$RECYCLE.BIN")
COPIED = re.compile(r"Thumbs\.db|desktop\.ini|autorun\.inf", re.IGNORECASE)
LABEL_MAP, DERIVATIVE, OTHER = "label map", "BIDS derivative or source", "file of another kind"


@dataclass
class FolderFiles:
    """What lies below a folder: images, DICOM files and label maps (by name), sorted; how many were left out, by reason; and what is broken."""

    images: list[Path] = field(default_factory=list)
    dicom: list[Path] = field(default_factory=list)
    label_maps: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[Path, str]] = field(default_factory=list)


def list_folder(root: Path) -> FolderFiles:
    """Everything below `root`, links to folders followed once; hidden files do not count.

    Left out are label maps, as folder or file names tell them, in a BIDS set also what lies in derivatives and sourcedata.
    """
    found = FolderFiles()
    files = sorted(_walk(root, found.bad))
    bids = any(SUBJECT.fullmatch(part) for path in files for part in path.relative_to(root).parts[:1])
    bids = bids or (root / "dataset_description.json").is_file()
    for path in files:
        inside = path.relative_to(root).parts[:-1]
        if bids and any(part.lower() in DERIVED for part in inside):
            found.left_out[DERIVATIVE] += 1
        else:
            _sort_in(path, found, lambda image: _is_mask(root, image))
    return found


def list_pattern(root: Path, pattern: str) -> FolderFiles:
    """What the glob `pattern` matches below `root`, whatever its name; of folders, the DICOM files right in them.

    Raises:
        ValueError, NotImplementedError: no pattern.
    """
    found, seen = FolderFiles(), set()
    for path in sorted(root.glob(pattern)):
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        if not path.is_dir():
            _sort_in(path, found, lambda image: False)
            continue
        for file in sorted(_children(path, found.bad)):
            if file.name[0] != "." and file not in seen and not file.is_dir() and is_dicom(file):
                found.dicom.append(file)
                seen.add(file)
    found.dicom = sorted(dict.fromkeys(found.dicom))
    return found


def _sort_in(path: Path, found: FolderFiles, is_mask) -> None:
    readable = is_image(path) or is_picture(path)
    if printable(str(path)) != str(path):
        found.bad.append((path, "has a name that is no valid text: rename it"))
    elif path.is_symlink() and not path.exists():
        found.bad.append((path, "is a broken link"))
    elif readable and is_mask(path):
        found.left_out[LABEL_MAP] += 1
        found.label_maps.append(path)
    elif readable:
        found.images.append(path)
    elif not os.access(path, os.R_OK):
        found.bad.append((path, "cannot be read (Permission denied)"))
    elif is_dicom(path) or path.name.upper() == "DICOMDIR":
        found.dicom.append(path)
    elif path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        found.bad.append((path, "is no DICOM file, although it is called one"))
    elif not COPIED.fullmatch(path.name):
        found.left_out[OTHER] += 1


def _walk(root: Path, bad: list[tuple[Path, str]]) -> Iterator[Path]:
    """Files below a folder; one that several links lead to is walked once."""
    been: set[str] = set()

    def refuse(error: OSError) -> None:
        bad.append((Path(error.filename), f"cannot be listed ({error.strerror})"))

    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in been:
            folders.clear()
            continue
        been.add(real)
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in NOT_OF_THE_SET)
        yield from (Path(folder, name) for name in files if name[0] != ".")


def _children(folder: Path, bad: list[tuple[Path, str]]) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        bad.append((folder, f"cannot be listed ({error.strerror})"))
        return []


def _is_mask(root: Path, image: Path) -> bool:
    """Whether folder or file name say that this is a label map."""
    *folders, name = image.relative_to(root).parts or (root.name,)
    return any(folder.lower() in MASK_FOLDERS for folder in folders) or bool(MASK_NAME.search(stem(Path(name)).lower()))
