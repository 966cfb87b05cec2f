"""A network with several output channels over a whole volume: overlapping windows, blended slab by slab.

Own code rather than MONAI's inferer, which holds the logits of every class for the whole volume. Windows, Gaussian weights and
padding are the same, so that the logits are too. Windows are visited in the order of their first slice: what lies before the
next window's first slice is final and leaves, so that only a window's depth of logits is ever in memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.inference.volumes.windows import window_starts

SHARPNESS = 8  # window side over the Gaussian's sigma
LEAST_WEIGHT = 1e-3  # of the centre's, so that a voxel seen only by a corner is still well defined
SHARE = 0.25  # of a GPU's free memory that the logits of a slab may take; else they are blended in the processor's
SLICES = 8  # labelled at a time

Corner = tuple[int, int, int]  # a window's first voxel
Read = Callable[[int, int], Tensor]  # slices first...last (half open) as (channels, i, j, slices)


def slabs(
    read: Read,
    shape: Sequence[int],
    network: Callable[[Tensor], Tensor],
    size: Sequence[int],
    overlap: float = 0.25,
    batch: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Run `network` over an image in windows of `size`, and yield the blended logits from the first slice to the last.

    Args:
        read: gives slices of the image, float32 0...1, on the network's device.
        shape: (i, j, k) of the image. Where it is smaller than a window it is padded with 0, alike on both sides.
        network: (N, channels, *size) to (N, C, *size).
        overlap: share of a window that its neighbour sees too, 0 <= overlap < 1.
        batch: windows at a time.
        progress: called with (windows done, windows) after each batch; may raise to stop.

    Yields:
        Number of the first slice, and logits (C, i, j, slices) float32 that hold until the next step.
    """
    more = [max(side - n, 0) for n, side in zip(shape, size)]
    before = [n // 2 for n in more]
    padded = [n + m for n, m in zip(shape, more)]
    inside = (slice(None), *(slice(a, a + n) for a, n in zip(before, shape)))
    starts = [window_starts(n, side, overlap) for n, side in zip(padded, size)]
    across = list(itertools.product(*starts[:2]))
    together = -(-batch // len(across))  # so that a batch is full where a slice has few windows
    groups = [starts[2][n : n + together] for n in range(0, len(starts[2]), together)]
    blend = _Blend(padded, size, depth=max(group[-1] - group[0] for group in groups) + size[2])
    done, total = 0, len(across) * len(starts[2])
    for group in groups:
        if group[0]:
            yield blend.first, blend.take(group[0])[inside]
        with torch.inference_mode():
            image = _padded(read(group[0], min(group[-1] + size[2], shape[2])), before, more)
            boxes = [(i, j, k) for k in group for i, j in across]
            for n in range(0, len(boxes), batch):
                some = boxes[n : n + batch]
                blend.add(network(_windows(image, some, group[0], size)).float(), some)
                done += len(some)
                if progress is not None:
                    progress(done, total)
    yield blend.first, blend.take(padded[2])[inside]


def class_numbers(logits: Tensor) -> np.ndarray:
    """The class of the largest logit, (i, j, slices) uint8, of logits (C, i, j, slices); few at a time, since argmax takes 64 bits."""
    parts = [part.argmax(dim=0).to(torch.uint8) for part in logits.split(SLICES, dim=3)]
    return torch.cat(parts, dim=2).cpu().numpy()


def importance(size: Sequence[int]) -> Tensor:
    """Gaussian weights of a window's voxels, (*size): sigma is an eighth of each side, at least 0.001 of the centre's weight."""
    weights = torch.ones(())
    for side in size:
        place = (torch.arange(side) - (side - 1) / 2) * SHARPNESS / side
        weights = weights[..., None] * torch.exp(-(place**2) / 2)
    return weights.clamp(min=max(float(weights.min()), LEAST_WEIGHT))


class _Blend:
    """Sums of weighted logits, and of weights, for `depth` slices from `first` on."""

    def __init__(self, shape: Sequence[int], size: Sequence[int], depth: int) -> None:
        self.first, self._leaving, self._shape, self._size = 0, 0, (*shape[:2], depth), tuple(size)
        self._weights = importance(size)
        self._sums = self._counts = torch.empty(0)  # (C, i, j, depth), (i, j, depth)

    @torch.inference_mode()
    def add(self, answers: Tensor, boxes: Sequence[Corner]) -> None:
        """Add the answers (N, C, *size) for windows at `boxes`."""
        if not self._sums.numel():
            where = _room(answers.device, (answers.shape[1] + 1) * math.prod(self._shape) * 4)
            self._sums = torch.zeros(answers.shape[1], *self._shape, device=where)
            self._counts = torch.zeros(self._shape, device=where)
            self._weights = self._weights.to(where)
        self._leave()
        for answer, (i, j, k) in zip(answers.to(self._sums.device), boxes):
            a, b, c = self._size
            place = (slice(i, i + a), slice(j, j + b), slice(k - self.first, k - self.first + c))
            self._sums[(slice(None), *place)] += answer * self._weights
            self._counts[place] += self._weights

    @torch.inference_mode()
    def take(self, end: int) -> Tensor:
        """The mean logits (C, i, j, slices) of the slices before `end`: a view that holds until the next call."""
        count = end - self.first
        self._leaving, self.first = count, end
        return self._sums[..., :count].div_(self._counts[..., :count])

    def _leave(self) -> None:
        """Slices that were taken make room for as many later ones."""
        if self._leaving:
            for held in (self._sums, self._counts):
                kept = held[..., self._leaving :].clone()
                held.zero_()[..., : kept.shape[-1]] = kept
            self._leaving = 0


def _room(device: torch.device, size: int) -> torch.device:
    """The device itself, or the processor where `size` bytes are too much for a GPU."""
    crowded = device.type == "cuda" and size > SHARE * torch.cuda.mem_get_info(device)[0]
    return torch.device("cpu") if crowded else device


def _padded(image: Tensor, before: Sequence[int], more: Sequence[int]) -> Tensor:
    """(channels, i, j, slices) with `more` zeros along each axis, `before` of them in front."""
    sides = [n for axis in (2, 1, 0) for n in (before[axis], more[axis] - before[axis])]
    return functional.pad(image, sides) if any(sides) else image


def _windows(image: Tensor, boxes: Sequence[Corner], first: int, size: Sequence[int]) -> Tensor:
    """(N, channels, *size) of slices (channels, i, j, slices) that begin at slice `first`."""
    a, b, c = size
    return torch.stack([image[:, i : i + a, j : j + b, k - first : k - first + c] for i, j, k in boxes])
