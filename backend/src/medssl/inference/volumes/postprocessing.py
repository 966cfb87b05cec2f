"""What is changed of a label map after the network: steps that a model's file records, each of one class.

A step is a mapping: `value` and `class` of what it is about, `step` (a key of STEPS) and, where small parts are dropped,
`smallest` (mm³ of volumes, mm² of radiographs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.images.segment_classes import SegmentClasses

LARGEST, FILL, DROP = "largest", "fill", "drop"
SETTING = "postprocessing"  # of `Plan.task`
Step = Mapping[str, Any]


def postprocess(labels: np.ndarray, steps: Sequence[Step], voxel: float) -> None:
    """Carry out the steps in their order, in place.

    Voxels that share a face are connected. Only the box around a value is looked at. Holes are background that a class
    encloses on all sides; another class in it stays.

    Args:
        labels: values of classes, (i, j, k) or (i, j).
        steps: of `Plan.task["postprocessing"]`.
        voxel: mm³ (mm²) of one.
    """
    if not steps:
        return
    boxes = ndimage.find_objects(labels, max_label=max(step["value"] for step in steps))  # no step makes one larger
    for step in steps:
        if (box := boxes[step["value"] - 1]) is not None:
            STEPS[step["step"]](labels[box], step, voxel)


def sentence(steps: Sequence[Step]) -> str:
    """The steps in words."""
    return "; ".join(f"{WORDS[step['step']]} of {step['class']}{_at(step)}" for step in steps)


def recorded_steps(task: Mapping[str, Any]) -> list[Step]:
    """The steps of a model's task; those of earlier models are the setting `largest_component`."""
    segments = SegmentClasses.from_list(task["segments"]).segments
    always = [{"value": one.value, "class": one.name, "step": LARGEST} for one in segments]
    return [*(always if task.get("largest_component") else ()), *task.get(SETTING, ())]


def _keep_largest(part: np.ndarray, step: Step, voxel: float) -> None:
    numbers, sizes = _parts(part == step["value"])
    if len(sizes) > 2:
        part[(numbers > 0) & (numbers != 1 + int(sizes[1:].argmax()))] = 0


def _drop_small(part: np.ndarray, step: Step, voxel: float) -> None:
    numbers, sizes = _parts(part == step["value"])
    part[(sizes * voxel < step["smallest"])[numbers] & (numbers > 0)] = 0


def _fill(part: np.ndarray, step: Step, voxel: float) -> None:
    part[ndimage.binary_fill_holes(part == step["value"]) & (part == 0)] = step["value"]


def _parts(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each voxel's part (0: none), and the voxels of each number."""
    numbers, _ = ndimage.label(mask)
    return numbers, np.bincount(numbers.ravel())


def _at(step: Step) -> str:
    return f" below {step['smallest']:.3g} {step.get('unit', 'mm³')}" if step["step"] == DROP else ""


STEPS: dict[str, Callable[[np.ndarray, Step, float], None]] = {
    LARGEST: _keep_largest,
    FILL: _fill,
    DROP: _drop_small,
}
WORDS = {LARGEST: "only the largest part", FILL: "holes filled", DROP: "parts dropped"}
