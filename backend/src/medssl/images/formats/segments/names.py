"""What files of segments call their classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom

from medssl.core.errors import VolumeError
from medssl.images.formats.file_names import IMAGE_SUFFIXES, PICTURE_SUFFIXES
from medssl.images.formats.segments.dicom_seg import kind_of_labels, labels_file
from medssl.images.formats.segments.dicom_seg import segments_of as segments_of_seg
from medssl.images.formats.segments.slicer import segment_fields
from medssl.images.formats.segments.slicer import segments_of as segments_of_nrrd
from medssl.images.formats.segments.structures import segments_of as segments_of_structures
from medssl.images.segment_classes import Segment


def segments_in(path: Path) -> list[Segment]:
    """Value and name of each class that the file names; [] where it names none, as NIfTI and pictures do."""
    name = path.name.lower()
    if name.endswith((*IMAGE_SUFFIXES, *PICTURE_SUFFIXES)):
        return segments_of_nrrd(segment_fields(path))
    file = labels_file(path)
    if file is None:
        return []
    image = pydicom.dcmread(file, stop_before_pixels=True)
    return segments_of_seg(image) if kind_of_labels(file) == "SEG" else segments_of_structures(image)


def common_segments(paths: Iterable[Path]) -> dict[int, Segment]:
    """The classes that files of segments name, by value.

    Raises:
        VolumeError: two files give one value different names: trained together, they would be one class.
    """
    known: dict[int, tuple[Segment, Path]] = {}
    for path in paths:
        for segment in segments_in(path):
            before, where = known.setdefault(segment.value, (segment, path))
            if before.name != segment.name:
                raise VolumeError(
                    f"value {segment.value}",
                    f"is {before.name!r} in {where} and {segment.name!r} in {path}",
                    "Number the segments alike in all files (export them with one order), or state the classes if they are one",
                    code="label-names-differ",
                )
    return {value: segment for value, (segment, _) in known.items()}
