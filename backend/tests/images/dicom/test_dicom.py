from __future__ import annotations

import numpy as np
import pytest
from dicom_files import write_dicom, write_series
from refusals import refused

from medssl.images.formats.reading import read_volume

POSITIONS = [10.0, 12.5, 15.0, 17.5, 20.0]


@pytest.fixture
def hu(rng) -> np.ndarray:
    return rng.integers(-1000, 1000, (7, 5, 5)).astype(np.int16)


def test_series_is_sorted_and_rescaled(tmp_path, hu):
    volume = read_volume(write_series(tmp_path / "Serie ü", hu, POSITIONS))
    assert volume.array.dtype.kind == "i"
    assert np.array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.spacing, (0.6, 0.9, 2.5))  # PixelSpacing is (rows, columns)
    np.testing.assert_allclose(volume.origin, (-5, 3, 10))
    assert (volume.modality, volume.patient, volume.name) == ("CT", "P7", "Serie ü")


def test_series_taken_downwards_is_sorted_along_its_normal(tmp_path, hu):
    volume = read_volume(write_series(tmp_path / "s", hu, POSITIONS[::-1]))
    assert np.array_equal(volume.array, hu[..., ::-1])
    np.testing.assert_allclose(volume.origin, (-5, 3, 10))


def test_sagittal_series(tmp_path, hu):
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(5):
        write_dicom(
            folder / f"{k}.dcm",
            hu[..., k],
            ImagePositionPatient=[2.0 * k, 0, 0],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            PixelSpacing=[1, 1],
        )
    volume = read_volume(folder)
    np.testing.assert_allclose(volume.direction[:, 2], (-1, 0, 0))
    assert np.array_equal(volume.array, hu[..., ::-1])
    np.testing.assert_allclose(volume.direction @ (volume.spacing * [0, 0, 4]) + volume.origin, (0, 0, 0), atol=1e-9)


def test_fractional_slope_gives_floats(tmp_path, hu):
    volume = read_volume(write_series(tmp_path / "s", hu, POSITIONS, RescaleSlope=0.5, RescaleIntercept=0.25))
    np.testing.assert_allclose(volume.array, (hu + 1024.0) * 0.5 + 0.25)


def test_missing_slice(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, POSITIONS)
    next(folder.glob("*-2.dcm")).unlink()
    with refused("slice-spacing-irregular", names=["12.5 and 17.5 mm", "5 mm", "2.5"]):
        read_volume(folder)


def test_doubled_slice(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, [10.0, 12.5, 12.5, 15.0, 17.5])
    with refused("slice-repeated", names="12.5 mm"):
        read_volume(folder)


def test_several_series(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, POSITIONS, SeriesDescription="thorax")
    write_series(folder / "other", hu[..., :3], POSITIONS[:3], SeriesDescription="abdomen")
    with refused("series-mixed", names=["thorax (5 images)", "abdomen (3 images)"]) as caught:
        read_volume(folder)
    assert "folder of its own" in caught.value.remedy
    assert read_volume(folder / "other").shape == (7, 5, 3)  # the remedy


def test_single_images_of_another_size_or_orientation_are_left_out(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, POSITIONS)
    write_dicom(folder / "big.dcm", np.zeros((9, 9), np.int16))
    turned = dict(ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[0, 0, 22.5])
    write_dicom(folder / "turned.dcm", hu[..., 0], **turned)
    volume = read_volume(folder)
    assert np.array_equal(volume.array, hu)
    assert any("2 x another size or orientation" in note for note in volume.notes)


def test_slices_that_are_no_stack(tmp_path, hu):
    for k, angle in enumerate(np.linspace(0, np.pi, 7)):  # turned about an axis
        axes = [np.cos(angle), np.sin(angle), 0, 0, 0, -1]
        path = tmp_path / "radial" / f"{k}.dcm"
        path.parent.mkdir(exist_ok=True)
        write_dicom(path, hu[..., 0], ImageOrientationPatient=[round(a, 5) for a in axes], ImagePositionPatient=[0, 0, 0], PixelSpacing=[1, 1])  # fmt: skip
    with refused("slice-orientations-differ"):
        read_volume(tmp_path / "radial")
    (tmp_path / "sizes").mkdir()
    for n in (5, 6):
        write_dicom(tmp_path / "sizes" / f"{n}.dcm", np.zeros((n, n), np.int16))
    with refused("slice-sizes-differ", names=["1 of 5x5", "1 of 6x6"]):
        read_volume(tmp_path / "sizes")


def test_truncated_slice_and_foreign_files(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, POSITIONS)
    (folder / "readme.txt").write_text("slices of a phantom")
    assert read_volume(folder).shape == hu.shape
    victim = next(folder.glob("*-3.dcm"))
    victim.write_bytes(victim.read_bytes()[:-40])
    with refused("image-unreadable", names="1-3.dcm"):
        read_volume(folder)


def test_header_of_a_giant_series(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, POSITIONS, Rows=65535, Columns=65535, NumberOfFrames=None)
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    for n in range(1, 30):
        place = dict(
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 10 + n], PixelSpacing=[0.9, 0.6]
        )
        write_dicom(folder / f"x{n}.dcm", hu[..., 0], Rows=65535, Columns=65535, **place)
    with refused("more-than-memory", names="128,845,086,750"):
        read_volume(folder)


def test_folder_without_dicom(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with refused("no-dicom"):
        read_volume(tmp_path)


def test_single_slice_is_a_volume_of_one(tmp_path, hu):
    path = write_dicom(tmp_path / "slice", hu[..., 0], SliceThickness=3)
    volume = read_volume(path)
    assert volume.shape == (7, 5, 1)
    assert volume.spacing[2] == 3


def test_frames_in_one_file(tmp_path, hu):
    path = write_dicom(tmp_path / "a.dcm", hu[..., 0], NumberOfFrames=4)
    with refused("several-frames", names="4 frames"):
        read_volume(path)


def test_radiograph_window_and_inversion(tmp_path):
    stored = np.arange(35, dtype=np.uint16).reshape(7, 5) * 100
    tags = dict(modality="DX", ImagerPixelSpacing=[0.2, 0.1], WindowCenter=1000, WindowWidth=1000)
    bright = read_volume(write_dicom(tmp_path / "a.dcm", stored, **tags))
    dark = read_volume(write_dicom(tmp_path / "b.dcm", stored, PhotometricInterpretation="MONOCHROME1", **tags))
    assert bright.shape == (7, 5) and bright.modality == "CXR" and bright.patient == "P7"
    np.testing.assert_allclose(bright.spacing, (0.1, 0.2, 1))
    assert bright.array[0, 0] == bright.array[1, 0] == bright.array.min()  # 0 and 500 lie at or below the window
    assert bright.array[-1, -1] == bright.array[3, 1] == bright.array.max()  # 1600 and more above it
    np.testing.assert_allclose(dark.array, bright.array.max() - bright.array, atol=1e-2)


def test_truncated_radiograph(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((8, 8), np.uint16), modality="DX")
    path.write_bytes(path.read_bytes()[:-10])
    with refused("image-unreadable"):
        read_volume(path)
