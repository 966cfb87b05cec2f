"""NIfTI as other tools write it: versions, types, scaling, several volumes, places in the world that disagree."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nifti_files import AFFINE, write_nifti
from refusals import refused

from medssl.images.formats.image_files import stem
from medssl.images.formats.reading import read_volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PAIRS = (nibabel.Nifti1Pair, nibabel.Nifti2Pair)


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.integers(0, 250, (9, 8, 7)).astype(np.int16)


def affine_of(volume) -> np.ndarray:
    """In RAS, as nibabel has it."""
    return volume.ijk_to_ras


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, *PAIRS])
@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_version_byte_order_and_type_is_read_alike(tmp_path, noise, kind, endianness, dtype):
    array = (noise % 120).astype(dtype)
    path = write_nifti(tmp_path / ("a.hdr" if kind in PAIRS else "a.nii"), array, kind=kind, endianness=endianness)
    volume = read_volume(path)
    assert np.array_equal(volume.array, array) and volume.array.dtype.isnative
    np.testing.assert_allclose(affine_of(volume), AFFINE, atol=1e-5)
    assert volume.name == "a" and volume.notes == ()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("scale", [(0.5, 1.25), (2, -1024), (1, -1000), (0.1, 0), (np.nan, np.nan), (0, 0)])
def test_voxels_and_place_are_those_of_itk(tmp_path, noise, dtype, scale):
    array = noise.astype(dtype) / (7 if dtype[0] == "f" else 1)
    path = write_nifti(tmp_path / "a.nii", array.astype(dtype), scl_slope=scale[0], scl_inter=scale[1])
    image, volume = sitk.ReadImage(str(path)), read_volume(path)
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image).T.astype(volume.array.dtype))
    assert volume.spacing.tolist() == list(image.GetSpacing()) and volume.origin.tolist() == list(image.GetOrigin())
    assert volume.direction.ravel().tolist() == list(image.GetDirection())


def test_packed_or_not_the_bytes_tell_and_not_the_name(tmp_path, noise):
    plain = write_nifti(tmp_path / "a.nii", noise).read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    for name in ("plain.nii.gz", "packed.nii"):
        volume = read_volume(tmp_path / name)
        assert np.array_equal(volume.array, noise), name
        np.testing.assert_allclose(affine_of(volume), AFFINE, atol=1e-5)


def test_integers_beyond_32_bits_become_floats_with_a_note(tmp_path, noise):
    volume = read_volume(write_nifti(tmp_path / "a.nii", noise.astype(np.int64) + 2**40))
    assert volume.array.dtype == np.float32 and "float32" in volume.notes[0]
    np.testing.assert_allclose(volume.array, noise.astype(np.float64) + 2**40, rtol=1e-6)
    narrow = read_volume(write_nifti(tmp_path / "b.nii", noise.astype(np.uint64) * 10**6))
    assert narrow.array.dtype == np.int32 and narrow.notes == ()


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("further", [(4,), (1, 3), (2, 3), (1, 1, 2)])
def test_one_of_several_volumes_is_chosen_by_its_number(tmp_path, rng, suffix, further):
    array = rng.integers(0, 99, (5, 6, 7, *further)).astype(np.int16)
    path, count = write_nifti(tmp_path / f"scan.{suffix}", array), int(np.prod(further))
    with refused("axes-unsupported", names=[f"{count} volumes of 5 x 6 x 7", f"scan.{suffix}#1", f"#{count}"]):
        read_volume(path)
    flat = array.reshape(5, 6, 7, count, order="F")
    for n in range(count):
        volume = read_volume(f"{path}#{n + 1}")
        assert np.array_equal(volume.array, flat[..., n]) and volume.name == f"scan-{n + 1}"
        np.testing.assert_allclose(affine_of(volume), AFFINE, atol=1e-5)
    for wrong in (0, count + 1):
        with refused("volume-not-in-file", names=[f"#{wrong}", f"{count} volumes"]):
            read_volume(f"{path}#{wrong}")


def test_a_file_of_one_volume_needs_no_number_and_takes_the_first(tmp_path, noise):
    path = write_nifti(tmp_path / "one.nii.gz", noise[..., None])
    assert np.array_equal(read_volume(path).array, noise) and read_volume(f"{path}#1").shape == noise.shape
    literal = write_nifti(tmp_path / "a#2.nii", noise)
    assert stem(literal) == "a#2" and np.array_equal(read_volume(literal).array, noise)
    with refused("file-not-found"):
        read_volume(tmp_path / "absent.nii.gz#2")


def test_colours_and_complex_numbers_are_refused(tmp_path, noise):
    rgb = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with refused("colour-image"):
        read_volume(write_nifti(tmp_path / "rgb.nii", rgb))
    with refused("several-components"):
        read_volume(write_nifti(tmp_path / "complex.nii", noise.astype(np.complex64)))


def moved(*mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += mm
    return affine


@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)])
def test_two_places_that_differ_are_noted_and_taken_as_itk_does(tmp_path, noise, codes):
    fields = {"sform_code": codes[0], "qform_code": codes[1]}
    path = write_nifti(tmp_path / "a.nii", noise, AFFINE, moved(0, 30, 0), **fields)
    volume = read_volume(path)
    assert volume.origin.tolist() == list(sitk.ReadImage(str(path)).GetOrigin())
    (note,) = volume.notes
    assert "sform" in note and "qform" in note and "42.9" in note  # 30 mm in voxels of 0.7 mm
    same = read_volume(write_nifti(tmp_path / "b.nii", noise, AFFINE, AFFINE, **fields))
    assert same.notes == ()


@pytest.mark.parametrize("zoom", [0.0, -0.8, 3.0])
def test_a_pixdim_that_does_not_fit_the_sform_is_noted_and_the_sform_taken(tmp_path, noise, zoom):
    path = write_nifti(tmp_path / "a.nii", noise, pixdim=(1, 0.7, zoom, 2.5, 1, 1, 1, 1))
    volume = read_volume(path)
    np.testing.assert_allclose(affine_of(volume), AFFINE, atol=1e-5)
    assert bool(volume.notes) == (zoom > 0 or zoom == 0.0)


@pytest.mark.parametrize("zooms", [(0, 0, 0), (0.7, -0.8, 2.5), (0.7, 0.8, 0)])
def test_without_any_place_the_axes_are_taken_as_stored_with_a_note(tmp_path, noise, zooms):
    path = write_nifti(tmp_path / "a.nii", noise, None, pixdim=(1, *zooms, 1, 1, 1, 1))
    volume = read_volume(path)
    assert "does not say where" in volume.notes[0]
    assert volume.spacing.tolist() == pytest.approx([abs(z) or 1.0 for z in zooms])
    assert np.array_equal(volume.array, noise) and np.linalg.det(volume.direction) == pytest.approx(1)


@pytest.mark.parametrize(("unit", "factor"), [("micron", 0.001), ("meter", 1000.0), ("mm", 1.0)])
def test_metres_and_micrometres_become_millimetres(tmp_path, noise, unit, factor):
    image = nibabel.Nifti1Image(noise, AFFINE)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(affine_of(read_volume(tmp_path / "a.nii"))[:3], factor * AFFINE[:3], rtol=1e-5)


@pytest.mark.parametrize("row", [np.nan, np.inf])
def test_a_place_that_is_no_number_is_refused(tmp_path, noise, row):
    path = write_nifti(tmp_path / "a.nii", noise, srow_y=(0, row, 0, 0))
    with refused("geometry-invalid", names="a.nii"):
        read_volume(path)


def test_an_intercept_without_a_slope_is_noted(tmp_path, noise):
    volume = read_volume(write_nifti(tmp_path / "a.nii", noise, scl_slope=0, scl_inter=-1024))
    assert np.array_equal(volume.array, noise) and "-1024" in volume.notes[0]


def test_a_pair_whose_voxels_are_missing_is_refused(tmp_path, noise):
    path = write_nifti(tmp_path / "a.hdr", noise, kind=nibabel.Nifti1Pair)
    (tmp_path / "a.img").unlink()
    with refused("image-unreadable", names="a.hdr"):
        read_volume(path)


def test_a_plane_is_two_dimensional(tmp_path, noise):
    volume = read_volume(write_nifti(tmp_path / "a.nii", noise[..., 0]))
    assert volume.shape == noise.shape[:2] and volume.spacing.tolist() == pytest.approx([0.7, 0.8, 1.0])


def test_the_shared_files_of_this_kind():
    folder = Path(__file__).resolve().parents[5] / "shared" / "cases" / "nifti"
    if not folder.is_dir():
        pytest.skip("no folder shared/cases beside the repository")
    filled = read_volume(folder / "ct-nan-outside-fov.nii.gz")
    assert filled.array.min() < -1000 and any("field of view" in note for note in filled.notes)
    sheared = read_volume(folder / "sheared.nii.gz")
    np.testing.assert_allclose(sheared.direction.T @ sheared.direction, np.eye(3), atol=1e-9)
    assert any("right angle" in note for note in sheared.notes)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
def test_analyze_is_refused_since_it_does_not_tell_left_from_right(tmp_path, noise, kind):
    nibabel.save(kind(noise, np.diag([0.7, 0.8, 2.5, 1])), tmp_path / "a.hdr")
    with refused("analyze-format", names="a.hdr"):
        read_volume(tmp_path / "a.hdr")
