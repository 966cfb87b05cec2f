"""What is changed of a label map after the network: steps that a model's file records, each of one class.

A step is a mapping: `value` and `class` of what it is about, `step` (a key of STEPS) and, where small parts are dropped,
`smallest`: mm³ of volumes; of 2D images, many of whose files state no spacing, a share of the image's area (`unit` = share).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.images.segment_classes import SegmentClasses
from medssl.inference.volumes.found_labels import counts

LARGEST, FILL, DROP = "largest", "fill", "drop"
SETTING = "postprocessing"  # of `Plan.task`
SHARE, MM2 = "share", "mm²"  # units of 2D images; the latter in files of earlier versions
UNSTATED = (1.0, 1.0)  # mm, what readers say of pictures whose files state no spacing
Step = Mapping[str, Any]


def postprocess(labels: np.ndarray, steps: Sequence[Step], voxel: float) -> None:
    """Carry out the steps in their order, in place.

    Voxels that share a face are connected. Only the box around a value is looked at. Holes are background that a class
    encloses on all sides; another class in it stays.

    Args:
        labels: values of classes, (i, j, k) or (i, j).
        steps: of `Plan.task["postprocessing"]`.
        voxel: `voxel_size` of the whole image, which `labels` may be a part of.
    """
    if not steps:
        return
    boxes = ndimage.find_objects(labels, max_label=max(step["value"] for step in steps))  # no step makes one larger
    for step in steps:
        if (box := boxes[step["value"] - 1]) is not None:
            STEPS[step["step"]](labels[box], step, voxel)


def voxel_size(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """What one voxel counts for in the steps: mm³ in a volume, its share of the image's area in a 2D image."""
    return 1 / math.prod(shape) if len(shape) == 2 else math.prod(float(side) for side in spacing[:3])


def steps_for(
    steps: Sequence[Step], shape: Sequence[int], spacing: Sequence[float], learnt: Sequence[float] = ()
) -> tuple[list[Step], tuple[str, ...]]:
    """The steps as `voxel_size` counts, and a note on those that cannot be carried out.

    Files of earlier versions state mm² for 2D images, where a pixel of an image without spacing counted as 1 mm². They become a
    share of the image's area where all images have a spacing, and are left out elsewhere.

    Args:
        steps: see `recorded_steps`.
        shape: of the label map.
        spacing: mm, of the image.
        learnt: mm, of the training images, as far as the file says.
    """
    known = UNSTATED not in (tuple(spacing[:2]), tuple(learnt[:2]))
    area = math.prod(float(side) for side in spacing[:2]) * math.prod(shape[:2])
    kept: list[Step] = []
    left: list[Step] = []
    for step in steps:
        if len(shape) != 2 or step["step"] != DROP or step.get("unit") == SHARE:
            kept.append(step)
        elif known:
            kept.append({**step, "smallest": step["smallest"] / area, "unit": SHARE})
        else:
            left.append({**step, "unit": MM2})
    why = "since this image, or those of the training, state no spacing"
    return kept, (f"Post-processing left out, {why}: {sentence(left)}",) if left else ()


def sentence(steps: Sequence[Step]) -> str:
    """The steps in words."""
    return "; ".join(f"{WORDS[step['step']]} of {step['class']}{_at(step)}" for step in steps)


def recorded_steps(task: Mapping[str, Any]) -> list[Step]:
    """The steps of a model's task; those of earlier models are the setting `largest_component`."""
    segments = SegmentClasses.from_list(task["segments"]).segments
    always = [{"value": one.value, "class": one.name, "step": LARGEST} for one in segments]
    return [*(always if task.get("largest_component") else ()), *task.get(SETTING, ())]


def parts_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each voxel's part (int32, 0: none), parts being of voxels that share a face, and the voxels of each number."""
    numbers, count = ndimage.label(mask)
    return numbers, counts(numbers, count + 1)


def _keep_largest(part: np.ndarray, step: Step, voxel: float) -> None:
    numbers, sizes = parts_of(part == step["value"])
    if len(sizes) > 2:
        _clear(part, numbers, np.arange(len(sizes)) != 1 + int(sizes[1:].argmax()))


def _drop_small(part: np.ndarray, step: Step, voxel: float) -> None:
    numbers, sizes = parts_of(part == step["value"])
    _clear(part, numbers, sizes * voxel < step["smallest"])


def _fill(part: np.ndarray, step: Step, voxel: float) -> None:
    part[ndimage.binary_fill_holes(part == step["value"]) & (part == 0)] = step["value"]


def _clear(part: np.ndarray, numbers: np.ndarray, unwanted: np.ndarray) -> None:
    """Make background of the parts whose numbers are unwanted, a row at a time: an index takes 64 bits a voxel."""
    unwanted[0] = False  # what is no part
    for row, of in zip(part, numbers):
        row[unwanted[of]] = 0


def _at(step: Step) -> str:
    if step["step"] != DROP:
        return ""
    smallest, unit = step["smallest"], step.get("unit", "mm³")
    return f" below {100 * smallest:.3g} % of the image" if unit == SHARE else f" below {smallest:.3g} {unit}"


STEPS: dict[str, Callable[[np.ndarray, Step, float], None]] = {
    LARGEST: _keep_largest,
    FILL: _fill,
    DROP: _drop_small,
}
WORDS = {LARGEST: "only the largest part", FILL: "holes filled", DROP: "parts dropped"}
