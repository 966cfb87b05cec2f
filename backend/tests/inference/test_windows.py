"""Windows cover everything, blend to one, and remember nothing of each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medssl.core.errors import CancelledError
from medssl.inference.volumes.windows import apply_windows, blend_weights, read_box, window_starts


@pytest.mark.parametrize(
    ("length", "size", "overlap"), [(100, 32, 0.25), (64, 32, 0.0), (33, 32, 0.9), (20, 32, 0.5), (7, 1, 0.5)]
)
def test_weights_sum_to_one_at_every_voxel(length, size, overlap):
    starts = window_starts(length, size, overlap)
    total = np.zeros(max(length, size))
    for start, weights in zip(starts, blend_weights(starts, size)):
        total[start : start + size] += weights
    assert starts[0] == 0 and (starts[-1] + size == length or length < size)
    assert total == pytest.approx(np.ones_like(total), abs=1e-6)


@pytest.mark.parametrize("shape", [(40, 33, 20), (10, 40, 5), (16, 16, 8)])
@pytest.mark.parametrize("batch", [1, 3])
def test_identity_gives_the_image_back(shape, batch):
    image = np.random.default_rng(0).random(shape, np.float32)
    out = apply_windows(image, lambda x: x, (16, 16, 8), 0.3, batch)
    assert out.dtype == np.float32
    assert out == pytest.approx(image, abs=1e-6)


def test_neighbours_are_blended_smoothly():
    numbers = iter(range(100))
    out = apply_windows(np.zeros((28, 16, 8), np.float32), lambda x: x + next(numbers), (16, 16, 8), 0.25)
    line = out[:, 8, 4]
    assert (line[:12] == 0).all() and line[16:] == pytest.approx(1)
    assert (np.diff(line[11:17]) > 0).all()


def test_a_mapped_file_is_read_window_by_window(tmp_path):
    image = np.lib.format.open_memmap(tmp_path / "image.npy", "w+", np.float32, (20, 20, 10))
    image[:] = np.random.default_rng(0).random(image.shape)
    seen = []
    out = apply_windows(image, lambda x: seen.append(x.shape) or x, (16, 16, 8), 0.25, batch=2)
    assert out == pytest.approx(np.asarray(image), abs=1e-6)
    assert set(seen) == {(2, 1, 16, 16, 8)}


def test_progress_counts_to_the_end_and_may_stop():
    steps = []
    apply_windows(
        np.zeros((40, 16, 8), np.float32), lambda x: x, (16, 16, 8), 0.0, 2, progress=lambda *n: steps.append(n)
    )
    assert steps == [(2, 3), (3, 3)]

    def stop(done: int, windows: int) -> None:
        raise CancelledError()

    calls = []
    with pytest.raises(CancelledError):
        apply_windows(np.zeros((40, 16, 8), np.float32), lambda x: calls.append(1) or x, (16, 16, 8), progress=stop)
    assert len(calls) == 1


def test_a_box_beyond_the_border_is_padded_with_zero():
    box = read_box(np.ones((5, 5), np.float32), (3, 4), (4, 4))
    assert box.shape == (4, 4) and box.sum() == 2 and torch.from_numpy(box).dtype == torch.float32
