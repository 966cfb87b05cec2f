"""Where each value of a label map lies: a sample of places small enough to keep, so that no map is searched again."""

from __future__ import annotations

import io

import numpy as np

MOST = 4096  # places kept of each value


def find_places(array: np.ndarray) -> np.ndarray:
    """(P, 1 + axes) int32: value, then index along each axis; at most 4096 of each value but 0, in the order of the values.

    Where a value has more voxels, those kept are drawn with a fixed seed. A map without labels has no places.
    """
    flat = array.ravel()
    labelled = np.flatnonzero(flat)
    by_value = labelled[np.argsort(flat[labelled], kind="stable")]
    values, first = np.unique(flat[by_value], return_index=True)
    rng, rows = np.random.default_rng(0), [np.empty((0, 1 + array.ndim), np.int64)]
    for value, places in zip(values, np.split(by_value, first[1:])):
        if len(places) > MOST:
            places = np.sort(rng.choice(places, MOST, replace=False))
        indices = np.stack(np.unravel_index(places, array.shape), axis=1)
        rows.append(np.concatenate([np.full((len(places), 1), value), indices], axis=1))
    return np.concatenate(rows).astype(np.int32)


def draw_place(places: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
    """The index of a random place of a random value, each value being as likely; there must be one."""
    borders = [0, *(np.flatnonzero(np.diff(places[:, 0])) + 1), len(places)]
    chosen = int(rng.integers(len(borders) - 1))
    return tuple(int(n) for n in places[int(rng.integers(borders[chosen], borders[chosen + 1])), 1:])


def as_file(places: np.ndarray) -> bytes:
    """The bytes of an .npy file."""
    data = io.BytesIO()
    np.save(data, places)
    return data.getvalue()
