"""Whole images in slabs: the logits of MONAI's inferer, slices in order, memory of a slab."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from medssl.core.errors import CancelledError
from medssl.core.plan import Plan
from medssl.inference.volumes.slabs import importance, slabs
from medssl.inference.volumes.sliding import image_slabs, reader, segment_array
from medssl.networks.network import Network

CPU = torch.device("cpu")


class Convolution(Network):
    """Class logits that depend on a voxel's neighbours, and on where in the window it lies (padding with 0)."""

    def __init__(self, axes: int = 3, inputs: int = 1, classes: int = 3, fidelity: str = "paper") -> None:
        super().__init__()
        torch.manual_seed(0)
        kind = nn.Conv3d if axes == 3 else nn.Conv2d
        self.layers = nn.Sequential(kind(inputs, 4, 5, padding=2), nn.ReLU(), kind(4, classes, 5, padding=2))
        self.plan, self.batches = Plan("small", {}, fidelity), []

    def forward(self, x):
        self.batches.append(len(x))
        return self.layers(x)


def image(shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def whole(parts, shape):
    """All slabs put together; refuses gaps and overlaps."""
    found, at = [], 0
    for first, logits in parts:
        assert first == at
        found.append(logits.clone())
        at += logits.shape[3]
    assert at == shape[2]
    return torch.cat(found, dim=3)


@pytest.mark.parametrize("shape", [(30, 20, 30), (10, 40, 5), (16, 16, 8), (17, 9, 31), (9, 9, 40)])
@pytest.mark.parametrize(("overlap", "batch"), [(0.25, 1), (0.5, 4), (0.0, 3), (0.6, 5)])
def test_logits_are_those_of_monais_inferer(shape, overlap, batch):
    network, array = Convolution(), image(shape)
    ours = whole(image_slabs(reader(array, CPU), shape, network, (16, 16, 8), overlap, batch=batch), shape)
    with torch.inference_mode():
        theirs = sliding_window_inference(
            torch.from_numpy(array)[None, None], (16, 16, 8), batch, network, overlap, mode="gaussian"
        )[0]
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_images_are_seen_by_rows_and_columns():
    """(i, j) = (column, row): windows wider than high would tell, were the axes mixed up."""
    network, array = Convolution(axes=2), image((50, 30, 3))
    ours = whole(image_slabs(reader(array, CPU), array.shape, network, (12, 20), 0.5), array.shape)
    slices = torch.from_numpy(array).permute(2, 1, 0)[:, None]  # (k, 1, rows, columns)
    with torch.inference_mode():
        theirs = sliding_window_inference(slices, (12, 20), 4, network, 0.5, mode="gaussian")
    torch.testing.assert_close(ours, theirs.permute(1, 3, 2, 0), atol=2e-5, rtol=1e-4)


def test_neighbouring_slices_are_channels_and_the_last_repeat():
    array = image((6, 5, 4))
    for read in (reader(array, CPU, context=1), reader(array * 80 - 30, CPU, bounds=(-30.0, 50.0), context=1)):
        found = read(0, 4).numpy()
        expected = np.stack([array[:, :, [0, 0, 1, 2]], array, array[:, :, [1, 2, 3, 3]]])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(read(2, 4).numpy(), expected[..., 2:], atol=1e-6)


def test_weights_are_gaussian_and_nowhere_zero():
    weights = importance((16, 16, 8))
    assert weights.shape == (16, 16, 8) and weights.min() == pytest.approx(1e-3)
    assert weights[8, 8, 4] == weights.max() and torch.equal(weights, weights.flip(0, 1, 2))


def test_a_small_image_costs_one_pass_and_a_released_network_one_window_at_a_time():
    network = Convolution()
    assert segment_array(image((12, 16, 6)), network, (16, 16, 8)).shape == (12, 16, 6)
    assert network.batches == [1]
    network = Convolution(fidelity="released")
    segment_array(image((32, 16, 8)), network, (16, 16, 8), 0.0)
    assert network.batches == [1, 1]
    network = Convolution(axes=2)
    segment_array(image((16, 16, 20)), network, (16, 16), 0.25)  # a slice is a window: slices fill the batch
    assert network.batches == [8, 8, 4]


def test_mirroring_makes_the_answer_symmetric():
    network, array = Convolution(), image((16, 16, 8))
    plain, turned = (
        whole(image_slabs(reader(a, CPU), a.shape, network, (16, 16, 8), 0.25, (2, 3, 4)), a.shape)
        for a in (array, array[::-1, :, ::-1].copy())
    )
    torch.testing.assert_close(turned.flip(1, 3), plain, atol=1e-5, rtol=1e-4)
    assert len(network.batches) == 2 * 8


def test_classes_are_the_largest_logits_of_a_2d_image_too():
    network, array = Convolution(axes=2), image((30, 20))
    found = segment_array(array, network, (20, 30))
    with torch.inference_mode():
        expected = network(torch.from_numpy(array.T.copy())[None, None])[0].argmax(0).numpy().T
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


def test_no_more_than_a_windows_depth_is_ever_held():
    """The reader is asked for few slices at a time, and the slabs are thinner than the window is deep."""
    shape, asked, array = (16, 16, 200), [], image((16, 16, 200))

    def read(first, last):
        asked.append(last - first)
        return reader(array, CPU)(first, last)

    thick = [logits.shape[3] for _, logits in slabs(read, shape, lambda x: x, (16, 16, 8), 0.5)]
    assert max(asked) == 8 and max(thick) == 8 and sum(thick) == 200


def test_progress_counts_windows_and_may_stop():
    steps = []
    network = Convolution()
    segment_array(image((32, 16, 24)), network, (16, 16, 8), 0.0, batch=4, progress=lambda *n: steps.append(n))
    assert steps == [(4, 6), (6, 6)]

    def stop(done, windows):
        raise CancelledError()

    network.batches.clear()
    with pytest.raises(CancelledError):
        segment_array(image((32, 16, 24)), network, (16, 16, 8), batch=1, progress=stop)
    assert network.batches == [1]
