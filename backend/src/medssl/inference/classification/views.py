"""Several views of one image, and what answers to them amount to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.inference.image_embedding import centre

TEST_TIME = ("none", "mirror", "ten-crop")
CONFIDENCE = 0.95
INTERVALS = (
    "low and high: 95 % t interval of the mean over {} views of each image; they tell how much the answer depends on the "
    "view, not how often it is right"
)
Prediction = dict[str, tuple[float, float | None, float | None]]  # class: probability, low, high


def check_test_time(wanted: str) -> str:
    """One of `TEST_TIME`.

    Raises:
        ConfigError: it is none.
    """
    if wanted not in TEST_TIME:
        raise ConfigError(
            f"test_time = {wanted!r}", "is not a choice", f"Use one of {', '.join(TEST_TIME)}", code="test-time-unknown"
        )
    return wanted


def interval_notes(test_time: str, axes: int, mirrored: bool = True) -> list[str]:
    """What low and high mean, of images with 2 or 3 axes; mirrored: see `views_of`."""
    size = (1,) * axes
    views = len(views_of(torch.zeros(size), size, test_time, mirrored))
    return [INTERVALS.format(views)] if views > 1 else []


def mean_with_interval(names: Sequence[str], mean: np.ndarray, each: np.ndarray) -> Prediction:
    """Means (C,) with the t interval that the answers (V, C) to V views give; without one where V is 1."""
    if len(each) == 1:
        return {name: (float(p), None, None) for name, p in zip(names, mean)}
    spread = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(each) - 1) * spread
    ends = np.clip([mean - half, mean + half], 0.0, 1.0)
    return {name: (float(p), float(a), float(b)) for name, p, a, b in zip(names, mean, *ends)}


def views_of(image: Tensor, size: Sequence[int], test_time: str, mirrored: bool = True) -> Tensor:
    """(V, 1, *size) of an image (*larger).

    Args:
        image: rows and columns, or a volume along i, j, k.
        size: of a view.
        test_time: one of `TEST_TIME`.
        mirrored: False: of a volume no mirrored view, for models that learnt from none (radiographs' are as published).
    """
    middle, mirrored = centre(image, size), mirrored or len(size) == 2
    if test_time == "none" or (test_time == "mirror" and not mirrored):
        return middle[None, None]
    if test_time == "mirror":
        axes = (1,) if len(size) == 2 else (0, 1, 2)  # left and right of a radiograph (rows, columns)
        turns = [some for n in range(len(axes) + 1) for some in itertools.combinations(axes, n)]
        return torch.stack([middle.flip(turn) for turn in turns])[:, None]
    if len(size) == 2:
        return ten_crops(image[None, None], size[0])[0]
    corners = itertools.product(*((0, whole - side) for whole, side in zip(image.shape, size)))
    crops = [image[tuple(slice(a, a + side) for a, side in zip(corner, size))] for corner in corners]
    return torch.stack([middle, *([middle.flip(0)] if mirrored else []), *crops])[:, None]


def ten_crops(images: torch.Tensor, side: int) -> torch.Tensor:
    """Centre and corners of (N, C, S', S') images, and the five mirrored left to right: (N, 10, C, side, side)."""
    rows, columns = (images.shape[-2] - side, images.shape[-1] - side)
    places = [(rows // 2, columns // 2), (0, 0), (0, columns), (rows, 0), (rows, columns)]
    crops = torch.stack([images[..., y : y + side, x : x + side] for y, x in places], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1)
