"""Segments that may overlap, as one label map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from medssl.images.segment_classes import Segment

SEGMENTATION = "SEG"  # the modality of what was read from a file of segments: it may cover a part of its image


def as_values(stored: Sequence[int]) -> list[int]:
    """The value of each segment in one label map: its own where all differ and are above 0, else its place from 1."""
    own = len(set(stored)) == len(stored) and all(value > 0 for value in stored)
    return list(stored) if own else list(range(1, len(stored) + 1))


def merge(
    shape: Sequence[int], segments: Sequence[Segment], mask_of: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """Write segments one over the other, in their order in the file: where two overlap, the later one is kept.

    Args:
        shape: of the label map.
        segments: their values and names.
        mask_of: bool of that shape, by a segment's place.

    Returns:
        The label map, and a note of how many voxels were in several segments.
    """
    values = [segment.value for segment in segments]
    labels = np.zeros(shape, np.uint8 if max(values, default=0) <= 255 else np.int16)
    hidden: dict[str, int] = {}
    for n, segment in enumerate(segments):
        mask = mask_of(n)
        for value, count in _counts(labels[mask]):
            under = segments[values.index(value)].name
            pair = f"{count} of {under} by {segment.name}"
            hidden[pair] = count
        labels[mask] = segment.value
    if not hidden:
        return labels, []
    listed = ", ".join(list(hidden)[:5]) + (", ..." if len(hidden) > 5 else "")
    return labels, [f"Segments overlap; the later one in the file was kept, which hides voxels: {listed}"]


def _counts(values: np.ndarray) -> Iterator[tuple[int, int]]:
    found, counts = np.unique(values, return_counts=True)
    return ((int(v), int(c)) for v, c in zip(found, counts) if v)


def renumbered(segments: Sequence[Segment], stored: Sequence[int]) -> list[str]:
    """A note where values had to be given anew."""
    if [segment.value for segment in segments] == list(stored):
        return []
    listed = ", ".join(f"{segment.value} = {segment.name}" for segment in segments)
    return [f"Segments of several layers share values, so they were numbered in the file's order: {listed}"]
