"""Images that are in datasets twice: as the same file, or as files of the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from medssl.datasets.spec.table_stream import Progress
from medssl.datasets.spec.tabular_dataset import TabularDataset

Duplicate = tuple[tuple[int, int], tuple[int, int]]  # (set, image) of the earlier and of the later one
PIECE = 1 << 20  # bytes


def same_files(sets: Sequence[TabularDataset]) -> list[Duplicate]:
    """Files that several sets have; within a set reading refuses or unites them."""
    if len(sets) < 2:
        return []
    pairs: list[Duplicate] = []
    seen: dict[str, tuple[int, int]] = {}
    for number, dataset in enumerate(sets):
        last = number == len(sets) - 1
        for n, image in enumerate(dataset.images):
            known = seen.get(image)
            if known:
                pairs.append((known, (number, n)))
            elif not last:
                seen[image] = (number, n)
    return pairs


def same_contents(sets: Sequence[TabularDataset], sizes: Sequence[np.ndarray], progress: Progress) -> list[Duplicate]:
    """Different files of the same bytes, in one set or in two; only files of equal size are read.

    Args:
        sets: the sets.
        sizes: of each set's files in bytes, (N,); 0 and less are not compared.
        progress: gets the share that is read.
    """
    flat = np.concatenate(sizes)
    where = np.concatenate([np.full(len(one), number) for number, one in enumerate(sizes)])
    starts = np.cumsum([0, *(len(one) for one in sizes)])
    _, group, counts = np.unique(flat, return_inverse=True, return_counts=True)
    candidates = np.flatnonzero((counts[group] > 1) & (flat > 0))
    candidates = candidates[np.argsort(flat[candidates], kind="stable")]
    pairs: list[Duplicate] = []
    size = -1
    seen: dict[bytes, tuple[tuple[int, int], str]] = {}  # digests of the files of this size
    for done, i in enumerate(candidates):
        if done % 64 == 0:
            progress(done / len(candidates), "comparing files of equal size")
        if flat[i] != size:
            size, seen = flat[i], {}
        me = int(where[i]), int(i - starts[where[i]])
        image = sets[me[0]].images[me[1]]
        known = seen.setdefault(_digest(image), (me, image))
        if known[0] != me and known[1] != image:
            pairs.append((known[0], me))
    return sorted(pairs, key=lambda pair: pair[1])


def _digest(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.digest()
