"""Windows cover everything, and every voxel has one whose middle is nearest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medssl.inference.volumes.windows import nearest_parts, read_box, window_starts


@pytest.mark.parametrize(
    ("length", "size", "overlap"), [(100, 32, 0.25), (64, 32, 0.0), (33, 32, 0.9), (20, 32, 0.5), (7, 1, 0.5)]
)
def test_every_voxel_is_in_the_part_of_the_window_whose_middle_is_nearest(length, size, overlap):
    starts = window_starts(length, size, overlap)
    assert starts[0] == 0 and (starts[-1] + size == length or length < size)
    parts = nearest_parts(starts, size, length)
    assert [n for part in parts for n in range(part.start, part.stop)] == list(range(length))
    for start, part in zip(starts, parts):
        assert start <= part.start and part.stop <= start + size
        for n in range(part.start, part.stop):
            assert abs(n + 0.5 - start - size / 2) <= min(abs(n + 0.5 - other - size / 2) for other in starts)


def test_a_box_beyond_the_border_is_padded_with_zero():
    box = read_box(np.ones((5, 5), np.float32), (3, 4), (4, 4))
    assert box.shape == (4, 4) and box.sum() == 2 and torch.from_numpy(box).dtype == torch.float32
