"""Names of image files: what they are and what they are called."""

from __future__ import annotations

from pathlib import Path

from medssl.core.files import CHOICE

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr")
WRITTEN_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
IMAGE_SUFFIXES = (*WRITTEN_SUFFIXES, ".hdr")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def is_image(path: Path) -> bool:
    """Does the name end like a volume: NRRD, NIfTI or MetaImage?"""
    return _file_name(path).lower().endswith(IMAGE_SUFFIXES)


def is_picture(path: Path) -> bool:
    """Does the name end like a PNG or JPEG?"""
    return path.name.lower().endswith(PICTURE_SUFFIXES)


def stem(path: Path) -> str:
    """The name without its suffix, of which `.nii.gz` is one; `scan.nii.gz#3` is `scan-3`."""
    match = CHOICE.fullmatch(path.name)
    if match and is_image(Path(match[1])):
        return f"{stem(Path(match[1]))}-{match[2]}"
    suffixes = (".nii.gz", *IMAGE_SUFFIXES, *PICTURE_SUFFIXES, ".dcm")
    suffix = next((s for s in suffixes if path.name.lower().endswith(s)), "")
    return path.name[: len(path.name) - len(suffix)]


def _file_name(path: Path) -> str:
    match = CHOICE.fullmatch(path.name)
    return match[1] if match else path.name
