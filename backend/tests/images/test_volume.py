from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from refusals import refused

import medssl
from medssl.core.errors import ResourceError, VolumeError
from medssl.images.volume import Volume, compact, guess_modality

SUFFIXES = [".nrrd", ".nii", ".nii.gz", ".mha", ".mhd"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_keep_voxels_and_geometry_under_any_name(tmp_path, ct, suffix):
    folder = tmp_path / "ein Ordner für Bilder"
    folder.mkdir()
    path = folder / f"Schädel 1{suffix}"
    medssl.write_volume(ct, path)
    back = medssl.read_volume(path, modality="CT")
    assert back.array.dtype == np.int16
    assert np.array_equal(back.array, ct.array)
    np.testing.assert_allclose(back.ijk_to_ras, ct.ijk_to_ras, atol=1e-4)
    assert (back.name, back.modality) == ("Schädel 1", "CT")
    assert not list(folder.glob("partial*"))


def test_axes_are_those_of_simpleitk_transposed(tmp_path, ct):
    medssl.write_volume(ct, tmp_path / "a.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    assert image.GetSize() == ct.shape
    assert image[9, 10, 11] == ct.array[9, 10, 11]
    lps = image.TransformIndexToPhysicalPoint((9, 10, 11))
    np.testing.assert_allclose((ct.ijk_to_ras @ [9, 10, 11, 1])[:3], np.multiply(lps, (-1, -1, 1)), atol=1e-6)


def test_crop_stays_in_place(ct):
    part = ct.crop(((3, 20), (5, 9), (2, 28)))
    assert np.array_equal(part.array, ct.array[3:20, 5:9, 2:28])
    np.testing.assert_allclose(part.ijk_to_ras @ [0, 0, 0, 1], ct.ijk_to_ras @ [3, 5, 2, 1])
    assert part.size_mm == pytest.approx((17 * 0.7, 4 * 0.8, 26 * 2.5))


@pytest.mark.parametrize("roi", [((0, 41), (0, 2), (0, 2)), ((4, 4), (0, 2), (0, 2)), ((0, 2), (0, 2))])
def test_crop_beyond_the_volume_is_refused(ct, roi):
    with refused("region-outside", names="(40, 36, 28)"):
        ct.crop(roi)


def test_two_dimensional_volume(tmp_path):
    flat = Volume(np.arange(12, dtype=np.float32).reshape(4, 3) / 7, spacing=(0.2, 0.3, 1))
    medssl.write_volume(flat, tmp_path / "x.nrrd")
    back = medssl.read_volume(tmp_path / "x.nrrd")
    assert back.shape == (4, 3)
    np.testing.assert_allclose(back.array, flat.array)
    np.testing.assert_allclose(back.ijk_to_ras, flat.ijk_to_ras)


def test_compact_loses_nothing():
    assert compact(np.array([1.0, -3.0])).dtype == np.int16
    assert compact(np.array([0.5])).dtype == np.float32
    assert compact(np.array([40000], np.uint16)).dtype == np.float32
    assert compact(np.array([True])).dtype == np.int16


def test_rescaled_nifti_becomes_integers_again(tmp_path, ct):
    image = sitk.GetImageFromArray(ct.array.T.astype(np.float64))
    sitk.WriteImage(image, str(tmp_path / "f.nii.gz"))
    assert medssl.read_volume(tmp_path / "f.nii.gz").array.dtype == np.int16


def test_guess_modality(ct):
    assert guess_modality(ct.array) == "CT"
    assert guess_modality(np.abs(ct.array)) == "MR"
    assert guess_modality(ct.array / 999.5) == "MR"
    assert guess_modality(ct.array[..., 0]) == "CXR"


def test_a_ct_that_was_resampled_is_one_though_its_numbers_are_not_whole():
    array = np.full((10, 10, 10), 40.3, np.float32)
    array[0] = -1000.0  # a tenth is air
    assert guess_modality(array) == "CT"
    array[0] = 40.3
    array[0, 0, :9] = -1000.0
    assert guess_modality(array) == "MR", "nine of a thousand voxels"
    array[0] = -20_000.5
    assert guess_modality(array) == "MR", "no Hounsfield units"


def test_not_a_number_is_refused(tmp_path, ct):
    array = ct.array.astype(np.float32) / 3
    array[1, 2, 3] = np.nan
    medssl.write_volume(ct.with_array(array), tmp_path / "n.nrrd")
    with refused("image-nan", names=["n.nrrd", "1 voxel "]) as caught:
        medssl.read_volume(tmp_path / "n.nrrd")
    assert "n.nrrd" in caught.value.value and caught.value.remedy


def test_several_channels_or_time_points_are_refused(tmp_path):
    colour = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "rgb.nrrd"))
    with refused("several-components", names="3 values"):
        medssl.read_volume(tmp_path / "rgb.nrrd")
    film = sitk.JoinSeries([sitk.Image(4, 5, 6, sitk.sitkInt16)] * 2)
    sitk.WriteImage(film, str(tmp_path / "film.nii.gz"))
    with refused("axes-unsupported", names="(4, 5, 6, 2)"):
        medssl.read_volume(tmp_path / "film.nii.gz")


def test_a_single_time_point_is_a_volume(tmp_path):
    film = sitk.JoinSeries([sitk.Image(4, 5, 6, sitk.sitkInt16)])
    sitk.WriteImage(film, str(tmp_path / "one.nii.gz"))
    assert medssl.read_volume(tmp_path / "one.nii.gz").shape == (4, 5, 6)


def test_unknown_missing_and_unwritable(tmp_path, ct):
    (tmp_path / "notes.txt").write_text("no image")
    for path in (tmp_path / "notes.txt", tmp_path / "absent.nrrd", tmp_path):
        with pytest.raises(VolumeError):
            medssl.read_volume(path)
    with refused("suffix-unknown", names="a.txt"):
        medssl.write_volume(ct, tmp_path / "a.txt")
    with refused("file-unwritable", names="a.nrrd"):
        medssl.write_volume(ct, tmp_path / "no such folder" / "a.nrrd")


def test_full_disk_keeps_the_old_file(tmp_path, ct, small_files_only):
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"old")
    with small_files_only(1000), pytest.raises(ResourceError):
        medssl.write_volume(ct, path, compress=False)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_real_ct_and_mr(shared_data):
    ct = medssl.read_volume(shared_data / "ct-mr-sarcoma" / "sts-002" / "ct.nii.gz")
    mr = medssl.read_volume(shared_data / "ct-mr-sarcoma" / "sts-002" / "mr-t1.nii.gz")
    assert (guess_modality(ct.array), guess_modality(mr.array)) == ("CT", "MR")
    assert ct.array.dtype == mr.array.dtype == np.int16
