"""What every volume goes through once it is read: missing voxels and axes that are not at right angles."""

from __future__ import annotations

import numpy as np
import pytest
from nifti_files import write_nifti
from refusals import refused
from scipy import ndimage

from medssl.images.formats.reading import read_labels, read_volume, write_volume
from medssl.images.formats.repair import repaired
from medssl.images.formats.straight import SLIGHT, nearest_rotation, straightened
from medssl.images.volume import Volume

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha"]
BLANK = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}


def with_cylinder(array: np.ndarray) -> np.ndarray:
    """Whether a voxel lies outside the circle that fits into the slices."""
    x, y, _ = np.indices(array.shape)
    return (x - array.shape[0] / 2) ** 2 + (y - array.shape[1] / 2) ** 2 > (min(array.shape[:2]) / 2) ** 2


def write(path, array):
    """As float, missing voxels as they are."""
    if path.name.endswith((".nii", ".nii.gz")):
        return write_nifti(path, array)
    write_volume(Volume(array, (0.7, 0.8, 2.5)), path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize(("low", "modality", "filled"), [(-900, "", -1024), (-900, "CT", -1024), (40, "CT", -1024),
    (40, "MR", 0), (40, "", 0), (-100, "MR", -100)])  # fmt: skip
def test_outside_the_field_of_view_is_background_and_counted(tmp_path, rng, suffix, blank, low, modality, filled):
    array = rng.integers(low + 1, 900, (20, 18, 9)).astype(np.float32)
    array[10, 9, 4] = low
    outside = with_cylinder(array)
    array[outside] = BLANK[blank]
    volume = read_volume(write(tmp_path / f"a{suffix}", array), modality=modality)
    assert (volume.array[outside] == filled).all() and np.array_equal(volume.array[~outside], array[~outside])
    (note,) = volume.notes
    assert f"{outside.sum()} voxels" in note and f"{filled}" in note
    assert volume.array.dtype == np.int16


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_voxel_inside_is_refused(tmp_path, rng, suffix):
    array = rng.normal(0, 9, (12, 11, 10)).astype(np.float32)
    array[:2] = np.nan
    array[6, 5, 5] = np.nan
    with refused("image-nan", names=[f"a{suffix}", "holds 1 voxel "]):
        read_volume(write(tmp_path / f"a{suffix}", array))


@pytest.mark.parametrize("left", [0, 3])
def test_an_image_of_hardly_anything_is_refused(tmp_path, left):
    array = np.full((12, 11, 10), np.nan, np.float32)
    array[:, :, 0].flat[:left] = 1
    with refused("image-nan", names="of 1320"):
        read_volume(write(tmp_path / "a.nii", array))


def test_numbers_too_large_for_float32_are_missing_ones(tmp_path):
    array = np.ones((6, 6, 6))
    array[0], array[3, 3, 3] = 1e300, 0.5
    volume = read_volume(write_nifti(tmp_path / "a.nii", array))
    assert volume.array[0].max() == 0 and "36 voxels" in volume.notes[0]


def test_whole_images_are_not_touched(rng):
    array = rng.normal(0, 100, (9, 8, 7)).astype(np.float32)
    volume = Volume(array)
    found = repaired(volume, "a")
    assert found.array is array and found.notes == () and np.array_equal(found.direction, volume.direction)


def turn(rng) -> np.ndarray:
    return nearest_rotation(rng.normal(size=(3, 3)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("skew", [1e-7, 1e-4, 0.003, 0.02, 0.2, 0.5])
def test_axes_come_to_right_angles_and_voxels_stay_where_they_were(seed, skew):
    """A field that is linear in the world is the same field afterwards, wherever the volume covers it."""
    rng = np.random.default_rng(seed)
    shear = np.eye(3) + np.triu(rng.uniform(-skew, skew, (3, 3)), 1)
    steps = turn(rng) @ shear * rng.uniform(0.5, 2, 3)
    spacing = np.linalg.norm(steps, axis=0)
    slope, origin, shape = rng.normal(size=3), rng.normal(0, 50, 3), (14, 12, 10)
    world = np.einsum("ab,bijk->aijk", steps, np.indices(shape)) + origin[:, None, None, None]
    field = (np.einsum("a,aijk->ijk", slope, world) + 1000).astype(np.float32)
    volume = straightened(Volume(field, spacing, origin, steps / spacing), lambda: 0.0)
    np.testing.assert_allclose(volume.direction.T @ volume.direction, np.eye(3), atol=1e-5)
    grid = np.einsum("ab,bijk->aijk", volume.direction * volume.spacing, np.indices(volume.shape))
    truth = np.einsum("a,aijk->ijk", slope, grid + volume.origin[:, None, None, None]) + 1000
    covered = volume.array != 0
    assert covered.sum() > 0.5 * field.size
    slack = 1e-3 if volume.shape != shape else SLIGHT * np.abs(slope).sum() * spacing.max()
    inside = ndimage.binary_erosion(covered) if volume.shape != shape else covered
    assert np.abs(volume.array - truth)[inside].max() <= slack
    assert volume.notes if skew >= 0.2 else skew > 1e-4 or not volume.notes


def test_a_slight_skew_is_rounded_and_a_real_one_resampled_with_a_note(rng):
    array = rng.integers(0, 9, (32, 32, 24)).astype(np.int16)
    for skew, changed in ((0.0002, False), (0.01, False), (0.05, True), (-0.3, True)):
        direction = np.array([[1, skew, 0], [0, 1, 0], [0, 0, 1.0]])
        length = np.linalg.norm(direction, axis=0)
        volume = straightened(Volume(array, (1, 1, 2), direction=direction / length), lambda: 0.0)
        assert (volume.shape != array.shape) == changed and bool(volume.notes) == (skew != 0.0002)
        assert changed or np.array_equal(volume.array, array)


def test_slices_of_a_tilted_gantry_keep_their_plane(rng):
    array = rng.integers(-1000, 1000, (16, 16, 12)).astype(np.int16)
    tilt = np.radians(20)
    direction = np.array([[1, 0, 0], [0, 1, np.sin(tilt)], [0, 0, np.cos(tilt)]])
    volume = straightened(Volume(array, (1, 1, 3), direction=direction), lambda: -1024.0)
    np.testing.assert_allclose(volume.direction, np.eye(3), atol=1e-12)
    assert volume.shape[2] == 12 and volume.spacing[2] == pytest.approx(3 * np.cos(tilt)) and volume.shape[0] == 16
    assert volume.array.min() == -1024


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_skewed_image_and_its_label_map_stay_together(tmp_path, suffix):
    """The remedy works in files: image and labels, skewed alike, lie on one grid, and classes are not mixed."""
    inner = np.zeros((20, 20, 12), np.int16)
    inner[6:14, 6:14, 3:9] = 7
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 1] = 0.15
    if suffix == ".nii.gz":
        image = read_volume(write_nifti(tmp_path / f"image{suffix}", inner * 100, affine))
        labels = read_labels(write_nifti(tmp_path / f"labels{suffix}", inner, affine))
    else:
        steps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3, :3]
        spacing = np.linalg.norm(steps, axis=0)
        for name, array in (("image", inner * 100), ("labels", inner)):
            write_volume(Volume(array, spacing, direction=steps / spacing), tmp_path / f"{name}{suffix}")
        image, labels = read_volume(tmp_path / f"image{suffix}"), read_labels(tmp_path / f"labels{suffix}")
    assert image.shape == labels.shape and np.array_equal(image.direction, labels.direction)
    assert np.unique(labels.array).tolist() == [0, 7]
    assert ((image.array >= 350) == (labels.array == 7)).mean() > 0.99
