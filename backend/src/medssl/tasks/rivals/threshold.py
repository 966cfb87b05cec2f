"""A segmenter that knows grey values only: a band of them for each class, with or without all but the largest part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medssl.inference.volumes.postprocessing import parts_of
from medssl.tasks.rivals.label_look import BINS, LabelLook, grey_bins, overlaps


@dataclass(frozen=True)
class Threshold:
    """The class of each grey value, (BINS,), 0: background; and the classes of which only the largest part is kept."""

    classes: np.ndarray
    largest: tuple[int, ...] = ()

    def segment(self, greys: np.ndarray) -> np.ndarray:
        """Class numbers, uint8, of an image's grey values 0…1."""
        numbers = self.classes[grey_bins(greys)]
        for number in self.largest:
            numbers[(numbers == number) & ~largest_part(numbers == number)] = 0
        return numbers


def fit_threshold(looks: Sequence[LabelLook]) -> Threshold:
    """For each class the band of grey values with the best mean Dice over the images that show it.

    Where bands overlap, the class that is found better has the grey value.
    """
    count = looks[0].counts.shape[0] - 1
    chosen = [(*_band(looks, number), number) for number in range(1, count + 1)]
    table = np.zeros(BINS, np.uint8)
    for _, first, last, number in sorted(chosen):
        table[first:last] = number
    return Threshold(table)


def with_largest(found: Threshold, images: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> Threshold:
    """With only the largest part of the classes whose mean Dice over these images (greys, class numbers) gets better by it."""
    kept = replace(found, largest=tuple(range(1, count + 1)))
    gains = [
        overlaps(kept.segment(greys), truth, count) - overlaps(found.segment(greys), truth, count)
        for greys, truth in images
    ]
    better = np.nansum(np.array(gains).reshape(-1, count), axis=0) > 0
    return replace(found, largest=tuple(int(number) + 1 for number in np.flatnonzero(better)))


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest of the parts that touch by faces; nothing of nothing."""
    parts, sizes = parts_of(mask)
    sizes[0] = 0
    return (parts == sizes.argmax()) & mask


def _band(looks: Sequence[LabelLook], number: int) -> tuple[float, int, int]:
    """Mean Dice, first bin and the bin behind the last of the best band."""
    total, images = np.zeros((BINS + 1, BINS + 1)), 0
    for one in looks:
        inside = one.counts[number]
        if size := int(inside.sum()):
            hits, all_ = (np.concatenate([[0], np.cumsum(row)]) for row in (inside, one.counts.sum(axis=0)))
            total += 2 * (hits[None] - hits[:, None]) / np.maximum(all_[None] - all_[:, None] + size, 1)
            images += 1
    total = np.triu(total, 1)  # [first, last], first < last
    first, last = np.unravel_index(int(total.argmax()), total.shape)
    return float(total[first, last]) / max(images, 1), int(first), int(last) if images else int(first)
