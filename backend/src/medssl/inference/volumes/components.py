"""Connected parts of label maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def keep_largest(labels: np.ndarray, values: Sequence[int]) -> None:
    """Turn all but the largest connected part of each value into background, in place.

    Voxels that share a face are connected. Only the box around a value is looked at.
    """
    boxes = ndimage.find_objects(labels, max_label=max(values))
    for value in values:
        box = boxes[value - 1]
        if box is None:
            continue
        part = labels[box]
        numbers, count = ndimage.label(part == value)
        if count > 1:
            largest = 1 + int(np.bincount(numbers.ravel())[1:].argmax())
            part[(numbers > 0) & (numbers != largest)] = 0
