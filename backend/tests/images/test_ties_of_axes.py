"""At 45 degrees no axis is nearest: every storage of one image still comes to the same order."""

import itertools

import numpy as np
import pytest

from medssl.images.geometry import turn_to

HALF = np.sqrt(0.5)


@pytest.mark.parametrize("fixed", range(3))
def test_tied_axes_come_to_one_order_from_all_48_storages(fixed: int) -> None:
    a, b = (n for n in range(3) if n != fixed)
    direction = np.eye(3)
    direction[[a, b, a, b], [a, a, b, b]] = HALF, HALF, -HALF, HALF
    found = set()
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            stored = direction[:, order] * signs
            turn = turn_to(stored)
            canonical = stored[:, list(turn.order)] * np.where(turn.flipped, -1, 1)
            found.add(tuple(np.round(canonical, 6).ravel() + 0.0))
    assert len(found) == 1
