"""What a segmentation sees and which classes it learns, from its settings and its images."""

from __future__ import annotations

from medssl.core.errors import VolumeError
from medssl.images.formats.segments.names import common_segments
from medssl.images.segment_classes import SegmentClasses, find_classes, read_classes
from medssl.networks.weights.weight_files import WeightFile
from medssl.tasks.labelled_data import LabelledSplits, dimension
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.start import check_form


def form_of(config: SegmentationConfig, parts: LabelledSplits) -> tuple[str, int]:
    """What the network sees, and how many neighbouring slices on each side with it."""
    form = check_form(config.form, dimension(parts))
    return form, 1 if form == "2.5d" else 0


def classes_of(config: SegmentationConfig, file: WeightFile | None, parts: LabelledSplits) -> SegmentClasses:
    """The classes that are learnt.

    Raises:
        VolumeError: a label map of any part with a value that is no class, or nothing labelled in the training images.
    """
    classes = read_classes(config.classes) if config.classes else _classes(file, parts)
    _check_label_maps(parts, classes)
    return classes


def _classes(file: WeightFile | None, parts: LabelledSplits) -> SegmentClasses:
    """Those of the model that goes on learning where they suffice, else those that the label maps hold.

    Validation counts too: the few training images of a small share may lack a class. Test images tell nothing.

    Raises:
        VolumeError: no label map holds anything.
    """
    looked_at = (parts.training, parts.validation)
    named = common_segments(entry.mask for part in looked_at for entry in part.entries if entry.mask)
    found = find_classes([mask.values for part in looked_at for mask in part.masks], named)
    if file and file.plan.task.get("segments"):
        before = SegmentClasses.from_list(file.plan.task["segments"])
        if set(found.values) <= set(before.values):
            return before
    return found


def _check_label_maps(parts: LabelledSplits, classes: SegmentClasses) -> None:
    """Before any training, of test images too: what is no class would else be met after it."""
    for part in (parts.training, parts.validation, parts.test):
        for mask in part.masks:
            classes.check_values(mask.values, f"label map of {mask.name}")
    if not any(set(mask.values) - {0} for mask in parts.training.masks):
        raise VolumeError(
            f"{len(parts.training)} training label maps", "are all empty", "Label something in one of them at least",
            code="label-maps-empty",
        )  # fmt: skip
