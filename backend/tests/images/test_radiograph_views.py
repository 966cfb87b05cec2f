"""2D images of 3D ones: slices, projections, and Slicer's volumes of one slice."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.images.geometry import reorient
from medssl.images.planes import as_plane
from medssl.images.volume import Volume


def world(volume: Volume, *index: float) -> np.ndarray:
    return volume.origin + volume.direction @ (volume.spacing * [*index, *[0.0] * (3 - len(index))])


def test_a_single_slice_is_its_plane(rng):
    array = rng.integers(0, 255, (70, 80, 1)).astype(np.uint8)
    for view in ("", "k:0", "frontal"):
        plane = as_plane(Volume(array, spacing=(0.2, 0.3, 1.0)), view)
        assert plane.modality == "CXR" and np.array_equal(plane.array, array[..., 0])
        np.testing.assert_allclose(plane.spacing, (0.2, 0.3, 1))


def test_slices_lie_where_they_were(ct):
    plane = as_plane(ct, "k:5")
    assert np.array_equal(plane.array, ct.array[..., 5]) and plane.modality == "CT"
    np.testing.assert_allclose(world(plane, 3, 7), world(ct, 3, 7, 5))
    assert np.array_equal(as_plane(ct, "k").array, ct.array[..., 14])


def test_slices_along_k_have_the_head_up(ct):
    for view, index in (("j:12", lambda a, b: (a, 12, b)), ("i:9", lambda a, b: (9, a, b))):
        plane = as_plane(ct, view)
        assert plane.direction[2, 1] < 0  # rows run down
        value, place = plane.array[10, 20], world(plane, 10, 20)
        source = index(10, 27 - 20)
        assert value == ct.array[source]
        np.testing.assert_allclose(place, world(ct, *source))
    turned = Volume(ct.array, direction=np.diag([1.0, 1, -1]))
    assert np.array_equal(as_plane(turned, "j:12").array, ct.array[:, 12])


@pytest.mark.parametrize("view", ["k", "j", "i"])
def test_a_slice_that_is_not_as_readers_look_at_it_is_noted(ct, view):
    assert as_plane(ct, view).notes == (), "LPS"
    (note,) = as_plane(reorient(ct, "RAS"), view).notes
    assert "turned or mirrored" in note and "LPS" in note


def test_a_coronal_acquisition_says_where_its_head_is(ct):
    assert as_plane(reorient(ct, "LIP"), "k").notes == (), "rows to the feet"
    assert "the feet below" in as_plane(reorient(ct, "LSP"), "k").notes[0]


def test_3d_without_a_view_is_told_what_can_be_done(ct):
    with refused("not-2d") as caught:
        as_plane(ct)
    assert all(word in caught.value.remedy for word in ("frontal", "lateral", "CT", "k:57"))


@pytest.mark.parametrize("view", ["oblique", "k:", "k:-1", "l:3", "K:3", "k:3.5", "k:28"])
def test_unknown_views_and_slices_beyond(ct, view):
    with refused("slice-out-of-range" if view == "k:28" else "view-unknown", names=repr(view)) as caught:
        as_plane(ct, view)
    assert caught.value.remedy


def test_projection_is_for_ct_alone(ct):
    with refused("not-ct", names="of modality MR") as caught:
        as_plane(Volume(np.abs(ct.array)), "frontal")
    assert "k:57" in caught.value.remedy


def test_projection_of_a_ct(ct):
    body = np.full((80, 60, 60), -1000, np.int16)
    body[10:70, 10:50] = 40
    body[20:35, 15:45, 10:50] = body[45:60, 15:45, 10:50] = -850
    for view in ("frontal", "lateral"):
        plane = as_plane(Volume(body, (5, 5, 5), modality="CT"), view)
        assert plane.array.ndim == 2 and plane.modality == "CXR" and np.ptp(plane.array) > 0
