"""Further channels on the grid of the first: where they lie, what fills the rest, and when they lie poorly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from medssl.images.channels.agreement import best_move
from medssl.images.channels.field import same_grid, uncovered_share
from medssl.images.channels.fit import Fit, measure_fit
from medssl.images.channels.onto import labels_onto, onto
from medssl.images.channels.together import together
from medssl.images.volume import Volume

TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def world(volume: Volume) -> np.ndarray:
    """(3, i, j, k) millimetres of every voxel."""
    places = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij")).reshape(3, -1)
    return (volume.origin[:, None] + volume.direction @ (places * volume.spacing[:, None])).reshape(3, *volume.shape)


def ramp(shape, spacing, origin, direction=np.eye(3), modality="MR") -> Volume:
    """Values that are a linear function of the place in the world."""
    empty = Volume(np.zeros(shape, np.float32), spacing, origin, direction, modality=modality, name=modality.lower())
    x, y, z = world(empty)
    return replace(empty, array=(2 * x - y + 0.5 * z).astype(np.float32))


def blobs(seed: int = 0, shape=(40, 40, 32), spacing=(2.0, 2.0, 2.0)) -> Volume:
    """A smooth body with structures, 200 and more above air."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    array = gaussian_filter(rng.normal(size=shape), 2.5)
    return Volume((400 + 3000 * array).astype(np.float32), spacing, modality="MR", name="first")


def test_a_ramp_in_the_world_is_the_same_ramp_on_another_grid():
    grid = ramp((14, 12, 10), (1.5, 1.2, 2.0), (-6.0, -3.0, 1.0), TURN)
    channel = ramp((60, 60, 40), (0.8, 0.9, 1.0), (-30.0, -20.0, -10.0))
    found = onto(channel, grid)
    assert uncovered_share(grid, channel) == 0.0 and same_grid(found, grid)
    np.testing.assert_allclose(found.array, grid.array, atol=2e-3)
    assert found.statistics.maximum == float(channel.array.max()), "intensities are judged by the whole channel"


@pytest.mark.parametrize(("modality", "background"), [("CT", -1000.0), ("MR", None)])
def test_what_lies_outside_the_field_is_background_and_is_counted(modality, background):
    grid = ramp((20, 10, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    channel = replace(ramp((14, 30, 30), (1.0, 1.0, 1.0), (-4.0, -5.0, -5.0)), modality=modality)
    found = onto(channel, grid)
    outside = np.arange(20) > 9.5
    assert uncovered_share(grid, channel) == pytest.approx(outside.mean())
    assert (found.array[outside] == (background if background is not None else channel.array.min())).all()
    np.testing.assert_allclose(found.array[~outside], grid.array[~outside], atol=1e-3)


def test_whole_numbers_stay_whole_and_coarser_voxels_are_averages():
    rng = np.random.default_rng(0)
    fine = Volume(rng.integers(0, 1000, (48, 48, 48)).astype(np.int16), (1.0, 1.0, 1.0), modality="MR")
    coarse = Volume(np.zeros((9, 9, 9), np.int16), (4.0, 4.0, 4.0), (6.0, 6.0, 6.0))
    found = onto(fine, coarse)
    assert found.array.dtype == np.int16
    assert found.array.std() < 0.35 * fine.array.std(), "looking at single voxels would keep all of the noise"


def test_label_maps_take_the_nearest_label_and_none_is_invented():
    labels = Volume(np.zeros((12, 12, 12), np.uint8), (1.0, 1.0, 1.0))
    labels.array[3:6, 3:9, 3:9] = 7
    grid = Volume(np.zeros((24, 24, 24)), (0.5, 0.5, 0.5), (-0.25, -0.25, -0.25))
    found = labels_onto(labels, grid)
    assert set(np.unique(found)) == {0, 7} and (found == 7).sum() == 8 * (labels.array == 7).sum()


@pytest.mark.parametrize("millimetres", [0.0, 16.0])
def test_a_case_that_was_never_registered_is_found_whatever_the_contrast(millimetres):
    first = blobs()
    inverted = replace(first, array=-first.array, origin=np.array([0.0, millimetres, 0.0]), modality="CT")
    fit = measure_fit(first, inverted, "CT")
    assert fit.move == pytest.approx(millimetres, abs=4.0)
    assert bool([one for one in fit.reasons if "would agree" in one]) == (millimetres > 10)
    assert best_move(first, replace(inverted, origin=np.zeros(3))) == (0.0, 1.0)


def test_label_maps_of_both_tell_a_poor_overlap():
    first = blobs()
    labels = np.zeros(first.shape, np.uint8)
    labels[10:20, 10:20, 10:20] = 1
    for moved, dice in ((0, 1.0), (5, 0.5), (10, 0.0)):
        other = replace(first, array=np.roll(labels, moved, axis=0))
        fit = measure_fit(first, first, "CT", labels, other)
        assert fit.dice == pytest.approx(dice) and bool(fit.reasons) == (dice < 0.8)


def test_a_sentence_names_the_reasons_and_only_these():
    assert Fit().sentence("CT") == "" and Fit(outside=0.0, dice=0.9, move=12.0, gain=1.1).reasons == []
    assert "2.0% of the voxels" in Fit(outside=0.02).sentence("CT")
    poor = Fit(outside=0.06, dice=0.64, move=18.0, gain=1.4).sentence("CT")
    assert all(text in poor for text in ("CT lies poorly", "94%", "0.64", "18 mm", "1.4 times"))


def test_channels_are_brought_together_once():
    first = blobs()
    channel = replace(first, array=-first.array)
    one = together(replace(first, further=(replace(channel, name="t2"),)), ("T1", "T2"))
    (found,) = one.further
    assert same_grid(found, first) and found.notes == ()
    assert together(one).further[0] is found, "what lies on the grid is taken as it is"


def test_channels_of_no_common_place_and_flat_ones_are_refused():
    first = blobs()
    with refused("channels-apart", ["T2", "first"]):
        together(replace(first, further=(replace(blobs(1), origin=np.array([500.0, 0, 0])),)), ("T1", "T2"))
    with refused("not-3d", "T2"):
        together(replace(first, further=(Volume(np.zeros((8, 8))),)), ("T1", "T2"))
    with refused("not-3d", "T1"):
        together(replace(Volume(np.zeros((8, 8))), further=(first,)), ("T1", "T2"))
