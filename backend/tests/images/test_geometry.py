"""Orientation and spacing: exact on the grid, nothing invented, edges kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from refusals import refused
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medssl.core.geometry import (
    CANONICAL,
    UNRECORDED,
    Geometry,
    check_orientation,
    geometry_notes,
    orientation_of,
    tilt_of,
)
from medssl.images.geometry import orientation_of_volume, reorient, turn_to, turned
from medssl.images.resampling import (
    StreamReader,
    array_reader,
    axis_weights,
    resample,
    resample_labels,
    resample_slabs,
)
from medssl.images.volume import Volume

ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("LR", "PA", "SI")) for letters in itertools.product(*order)
]


def oblique(rng: np.random.Generator, orientation: str, degrees: float = 30.0) -> Volume:
    """A volume stored in an orientation, tilted by up to so many degrees, anisotropic, somewhere."""
    tilt = Rotation.from_rotvec(np.radians(degrees) * rng.uniform(-0.5, 0.5, 3)).as_matrix()
    shape = tuple(rng.integers(3, 8, 3))
    array = rng.integers(-1000, 1000, shape).astype(np.int16)
    straight = Volume(array, rng.uniform(0.3, 4, 3), rng.uniform(-200, 200, 3), tilt)
    return reorient(straight, orientation)


def world(volume: Volume, index: np.ndarray) -> np.ndarray:
    return volume.origin + volume.direction @ (volume.spacing * index)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_volume_comes_to_any_orientation_and_back_exactly(orientation):
    rng = np.random.default_rng(ORIENTATIONS.index(orientation))
    source = oblique(rng, orientation)
    assert orientation_of_volume(source) == orientation
    turn = turn_to(source.direction)
    found = turned(source, turn)
    assert orientation_of_volume(found) == CANONICAL
    np.testing.assert_array_equal(turn.back(found.array), source.array)
    np.testing.assert_array_equal(turn.back(turn.apply(np.stack([source.array] * 2))), np.stack([source.array] * 2))
    back = reorient(found, orientation)
    np.testing.assert_array_equal(back.array, source.array)
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(getattr(back, name), getattr(source, name), atol=1e-9)
    for _ in range(5):  # each voxel stays where it is in the world
        place = rng.integers(0, found.shape)
        other = np.linalg.solve(source.direction * source.spacing, world(found, place) - source.origin)
        np.testing.assert_allclose(other, np.rint(other), atol=1e-6)
        assert source.array[tuple(np.rint(other).astype(int))] == found.array[tuple(place)]
    roi = [sorted(rng.choice(np.arange(n + 1), 2, replace=False).tolist()) for n in source.shape]
    box = turn.box(roi, source.shape)
    np.testing.assert_array_equal(found.crop(box).array, turn.apply(source.crop(roi).array))


def test_writing_into_a_turned_view_writes_where_the_voxels_are():
    source = oblique(np.random.default_rng(3), "SAR")
    turn, out = turn_to(source.direction), np.zeros(source.shape, np.int16)
    turn.apply(out)[:] = turn.apply(source.array)
    np.testing.assert_array_equal(out, source.array)


def test_the_nearest_axes_are_found_whatever_the_tilt():
    rng = np.random.default_rng(0)
    for number in range(200):
        matrix = Rotation.random(random_state=number).as_matrix() @ np.diag(rng.choice([-1, 1], 3))
        turned_to = reorient(Volume(np.zeros((2, 3, 4)), direction=matrix))
        assert orientation_of(turned_to.direction.tolist()) == CANONICAL
        assert tilt_of(turned_to.direction.tolist()) == pytest.approx(tilt_of(matrix.tolist()))


@pytest.mark.parametrize("orientation", ["LPX", "LLS", "LP", "", "lps", "LRS"])
def test_what_is_no_orientation_is_refused(orientation):
    with refused("orientation-unknown", names=[repr(orientation)]):
        check_orientation(orientation)


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
@pytest.mark.parametrize("target", [(1.4, 1.4, 1.4), (0.5, 0.7, 0.6), (2.0, 0.5, 3.0)])
def test_resampling_keeps_edges_and_a_ramp(target, interpolation):
    volume = oblique(np.random.default_rng(1), "RAS")
    shape = (24, 30, 20)
    ramp = np.add.outer(np.add.outer(np.arange(24) * 3.0, np.arange(30) * 2.0), np.arange(20) * 5.0).astype(np.float32)
    volume = Volume(ramp, [1.0, 0.8, 1.5], volume.origin, volume.direction)
    found = resample(volume, target, interpolation)
    np.testing.assert_allclose(np.array(found.shape) * found.spacing, np.array(shape) * volume.spacing)
    corners = [world(v, np.full(3, -0.5)) for v in (volume, found)]
    np.testing.assert_allclose(*corners, atol=1e-9)
    np.testing.assert_allclose(*(world(v, np.array(v.shape) - 0.5) for v in (volume, found)), atol=1e-9)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in found.shape), indexing="ij"), -1)
    wanted = ((places + 0.5) * found.spacing / volume.spacing - 0.5) @ [3.0, 2.0, 5.0]
    inner = tuple(slice(n // 4, -(n // 4)) for n in found.shape)
    np.testing.assert_allclose(found.array[inner], wanted[inner], rtol=0.01, atol=0.5)


def test_a_grid_that_memory_cannot_hold_is_refused_before_it_is_made():
    with refused("more-than-memory", names=["thin"]):
        resample(Volume(np.zeros((50, 50, 50), np.int16), (10, 10, 10), name="thin"), (0.002, 0.002, 0.002))


def test_a_coarser_grid_averages_and_does_not_pick():
    noise = np.random.default_rng(0).normal(0, 100, (48, 48, 48)).astype(np.float32)
    found = resample(Volume(noise), (4.0, 4.0, 4.0))
    picked = ndimage.zoom(noise, 0.25, order=1)
    assert found.array.std() < 30 and found.array.std() < 0.5 * picked.std()


def test_the_same_grid_is_the_same_object_and_integers_stay_within_their_range():
    volume = Volume(np.random.default_rng(0).integers(-1024, 3000, (20, 21, 22)).astype(np.int16))
    assert resample(volume, (1.0, 1.0, 1.0)) is volume
    found = resample(volume, (0.6, 0.6, 0.6)).array
    assert found.dtype == np.int16 and volume.array.min() <= found.min() and found.max() <= volume.array.max()


@pytest.mark.parametrize("seed", range(8))
def test_label_maps_keep_their_classes(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([[0], np.sort(rng.choice(np.arange(1, 250), 4, replace=False))]).astype(np.uint8)
    labels = values[np.clip(ndimage.gaussian_filter(rng.normal(size=(20, 24, 18)), 2.5) * 30 + 2, 0, 4).astype(int)]
    shape = tuple(rng.integers(9, 50, 3))
    found = resample_labels(labels, shape)
    assert found.shape == shape and found.dtype == labels.dtype and set(np.unique(found)) <= set(np.unique(labels))
    finer = resample_labels(labels, tuple(3 * n for n in labels.shape))
    assert (finer[1::3, 1::3, 1::3] == labels).mean() > 0.98  # the middle of every voxel but thin ones
    assert resample_labels(labels, labels.shape) is labels


@pytest.mark.parametrize("seed", range(8))
def test_probabilities_stay_probabilities_and_streams_equal_wholes(seed):
    rng = np.random.default_rng(seed)
    shape, target = tuple(rng.integers(2, 30, 3)), tuple(rng.integers(1, 60, 3))
    whole = torch.from_numpy(rng.normal(size=(4, *shape))).float().mul(3).softmax(dim=0)
    found = torch.cat([slab for _, slab in resample_slabs(lambda a, b: whole[..., a:b], shape, target)], dim=3)
    assert found.shape == (4, *target) and float(found.min()) >= 0
    torch.testing.assert_close(found.sum(dim=0), torch.ones(target), atol=1e-5, rtol=0)
    depth = int(rng.integers(1, 7))
    slabs = ((k, whole[..., k : k + depth]) for k in range(0, shape[2], depth))
    streamed = torch.cat([slab for _, slab in resample_slabs(StreamReader(slabs), shape, target, slab=5)], dim=3)
    torch.testing.assert_close(streamed, found, atol=1e-6, rtol=0)


@pytest.mark.parametrize("depth", [1, 3, 8, 24, 48])
@pytest.mark.parametrize("slices", [60, 100])
def test_streams_equal_wholes_where_slices_are_passed_over(slices, depth):
    whole = torch.arange(300.0).expand(1, 2, 2, 300)
    for slab in (5, 32):
        slabs = ((k, whole[..., k : k + depth]) for k in range(0, 300, depth))
        found = resample_slabs(StreamReader(slabs), whole.shape[1:], (2, 2, slices), smooth=False, slab=slab)
        middles = (torch.arange(slices) + 0.5) * 300 / slices - 0.5
        torch.testing.assert_close(torch.cat([part for _, part in found], dim=3)[0, 0, 0], middles)


@pytest.mark.parametrize(("interpolation", "smooth"), [("linear", False), ("linear", True), ("cubic", True)])
@pytest.mark.parametrize("target", [(6, 5, 9), (12, 10, 9), (9, 8, 9)])
def test_many_slices_are_brought_together_before_any_is_interpolated(target, interpolation, smooth, monkeypatch):
    plain, depths = torch.nn.functional.interpolate, []

    def watched(images, *size, **how):
        depths.append(len(images))
        return plain(images, *size, **how)

    shape = (9, 8, 60)
    whole = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *shape))).float()
    axes = [axis_weights(old, new, interpolation, smooth) for old, new in zip(shape, target)]
    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    slabs = resample_slabs(lambda a, b: whole[..., a:b], shape, target, interpolation, smooth, slab=4)
    found = torch.cat([slab for _, slab in slabs], dim=3)
    torch.testing.assert_close(found, torch.einsum("cijk,ai,bj,dk->cabd", whole, *axes), atol=1e-5, rtol=0)
    assert max(depths) <= 4


def test_a_reader_gives_slices():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    np.testing.assert_array_equal(array_reader(array)(1, 3)[0].numpy(), array[:, :, 1:3])


IDENTITY = np.eye(3).tolist()


@pytest.mark.parametrize(
    ("spacing", "noted"),
    [((1, 1, 3), False), ((1.4, 1.4, 3), False), ((0.5, 1, 3), True), ((1, 1, 8), True), ((1, 1, 1), True)],
)
def test_a_spacing_far_from_all_that_was_seen_is_noted(spacing, noted):
    seen = Geometry("LPS", finest=(0.8, 0.8, 2.0), coarsest=(1.0, 1.0, 5.0))
    assert bool(geometry_notes(spacing, IDENTITY, seen)) == noted


def test_spacings_are_compared_along_the_models_axes():
    seen = Geometry("LPS", finest=(1, 1, 5), coarsest=(1, 1, 5))
    swapped = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # i along P, j along S, k along L
    assert geometry_notes((1, 5, 1), swapped, seen) == ()
    assert "5 x 1 x 1 mm" in geometry_notes((1, 1, 5), swapped, seen)[0]


def test_tilt_beyond_that_of_training_is_noted():
    tilted = Rotation.from_rotvec([0, 0, np.radians(25)]).as_matrix().tolist()
    assert "25 degrees" in geometry_notes((1, 1, 1), tilted, Geometry("LPS"))[0]
    assert geometry_notes((1, 1, 1), tilted, Geometry("LPS", tilt=20)) == ()
    assert geometry_notes((1, 1, 1), tilted, Geometry()) == (UNRECORDED,)


def test_geometry_travels_as_json_and_refuses_nonsense():
    one = Geometry("RAS", (1, 1, 3), "linear", (1, 1, 2), (1, 1, 4), 12.0)
    assert Geometry.from_dict(one.as_dict()) == one and one.text() == "RAS, 1 x 1 x 3 mm (linear)"
    assert Geometry.from_dict({}).text() == "not recorded" and not Geometry().recorded
    for wrong in ({"spacing": (1, 1)}, {"spacing": (1, 0, 1)}, {"spacing": (1, 1, float("inf"))}):
        with refused("setting-out-of-range"):
            Geometry("LPS", **wrong)
    with refused("setting-not-a-choice"):
        Geometry("LPS", interpolation="nearest")
