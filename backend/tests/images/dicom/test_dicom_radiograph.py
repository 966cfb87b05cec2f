"""Radiographs in DICOM: inversion, windows, padding, and which images are taken for radiographs."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from refusals import refused

from medssl.images.formats.dicom_series import find_series
from medssl.images.formats.reading import read_volume


@pytest.fixture
def stored(rng) -> np.ndarray:
    return rng.integers(200, 4000, (30, 20)).astype(np.uint16)


def write(path, stored, **tags):
    return write_dicom(path, stored, **{"modality": "DX", "BitsStored": 12, "HighBit": 11, **tags})


@pytest.mark.parametrize("modality", ["DX", "CR", "DR", "RG", "RF", "OT", "XA", "MG", "IO", ""])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_monochrome1_is_inverted_whatever_the_modality(tmp_path, stored, modality, bits):
    stored = (stored.astype(int) * (2**bits - 1) // 4095).astype(np.uint16)
    tags = dict(Modality=modality, BitsStored=bits, HighBit=bits - 1)
    bright = read_volume(write(tmp_path / "b", stored, **tags))
    dark = read_volume(write(tmp_path / "d", stored, PhotometricInterpretation="MONOCHROME1", **tags))
    assert bright.modality == dark.modality == "CXR" and bright.shape == (30, 20)
    assert np.array_equal(dark.array, 2**bits - 1 - bright.array.astype(int))


def test_a_modality_that_is_absent(tmp_path, stored):
    path = write(tmp_path / "a", stored, PhotometricInterpretation="MONOCHROME1")
    image = pydicom.dcmread(path)
    del image.Modality
    image.save_as(path)
    assert np.array_equal(read_volume(path).array, 4095 - stored.astype(int))


@pytest.mark.parametrize("modality", ["OT", "RF", ""])
def test_a_slice_that_is_placed_is_no_radiograph(tmp_path, stored, modality):
    place = dict(ImagePositionPatient=[0, 0, 1], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1])
    volume = read_volume(
        write(tmp_path / "a", stored, Modality=modality, PhotometricInterpretation="MONOCHROME1", **place)
    )
    assert volume.shape == (30, 20, 1) and np.array_equal(volume.array[..., 0], stored)  # measured values stay


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_ct_mr_and_pet_are_never_radiographs(tmp_path, stored, modality):
    volume = read_volume(write(tmp_path / "a", stored, Modality=modality))
    assert volume.shape == (30, 20, 1) and "ImagePositionPatient" in volume.notes[0]


@pytest.mark.parametrize(
    ("center", "width"),
    [(0, 0), (2000, -5), (2000, 0.0), (90000, 100), (-5000, 300), ("nan", 400), (2000, "nan"), ([0, 1], [0, 0]), (2000, 1), ("inf", "inf"), ([1, 2], 4)],
)  # fmt: skip
def test_windows_that_show_nothing_are_ignored_with_a_note(tmp_path, stored, center, width):
    path = write(tmp_path / "a", stored)
    image = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        for tag, value in ((0x00281050, center), (0x00281051, width)):
            values = value if isinstance(value, list) else [value]
            image.add_new(tag, "LO", [str(one) for one in values])  # as text: pydicom writes no NaN
            image[tag].VR = "DS"
        image.save_as(path)
    volume = read_volume(path)
    assert np.array_equal(volume.array, stored)
    assert any("window" in note for note in volume.notes)


def test_the_first_window_that_can_be_used(tmp_path, stored):
    one = read_volume(write(tmp_path / "a", stored, WindowCenter=2000, WindowWidth=1000))
    several = read_volume(write(tmp_path / "b", stored, WindowCenter=[0, 2000, 900], WindowWidth=[0, 1000, 200]))
    assert np.array_equal(one.array, several.array) and one.notes == ()
    assert "0 / 0" in several.notes[0] and "2000 / 1000" in several.notes[1]
    assert np.ptp(one.array) > 4000 and not np.array_equal(one.array, stored)


def test_padding_is_dark_and_outside_the_window(tmp_path, stored):
    stored[:5] = 0
    plain = read_volume(write(tmp_path / "a", stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0))
    assert (plain.array[:5] == plain.array[5:].min()).all() and any("150" in n or "100" in n for n in plain.notes)
    assert np.array_equal(plain.array[5:], 4095 - stored[5:].astype(int))


def test_a_lut_that_is_broken_is_ignored(tmp_path, stored):
    item = pydicom.Dataset()
    item.LUTDescriptor = [0, 0, 16]
    item.LUTData = []
    volume = read_volume(write(tmp_path / "a", stored, VOILUTSequence=[item]))
    assert np.array_equal(volume.array, stored) and "VOI LUT" in volume.notes[0]


def test_patient_and_spacing(tmp_path, stored):
    path = write(tmp_path / "a", stored, PatientID="P 12", ImagerPixelSpacing=[0.2, 0.1])
    volume = read_volume(path)
    assert volume.patient == "P 12" == find_series([path]).series[0].patient
    np.testing.assert_allclose(volume.spacing, (0.1, 0.2, 1))


@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL", "YBR_FULL_422"])
def test_colour_is_refused_with_its_name(tmp_path, stored, interpretation):
    path = write(
        tmp_path / "a", stored, SamplesPerPixel=3, PhotometricInterpretation=interpretation, PlanarConfiguration=0
    )
    with refused("colour-image", names=interpretation):
        read_volume(path)


def test_a_palette_is_refused(tmp_path, stored):
    for modality in ("DX", "CT"):
        path = write(tmp_path / modality, stored, modality=modality, PhotometricInterpretation="PALETTE COLOR")
        with refused("colour-image", names="PALETTE COLOR"):
            read_volume(path)


def test_a_film_in_frames(tmp_path, stored):
    path = write(tmp_path / "a", stored, modality="DX", Modality="RF", NumberOfFrames=7)
    with refused("several-frames", names="7 frames"):
        read_volume(path)


def test_scanned_films_are_radiographs_but_screenshots_are_left_out(tmp_path, stored):
    secondary = dict(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    write(tmp_path / "film", stored, Modality="OT", ConversionType="DF", SeriesInstanceUID="1.1", **secondary)
    write(tmp_path / "chest", stored, Modality="CR", ConversionType="WSD", SeriesInstanceUID="1.2", **secondary)
    write(tmp_path / "report", stored, Modality="CT", ConversionType="WSD", SeriesInstanceUID="1.3", **secondary)
    found = find_series(sorted(tmp_path.iterdir()))
    assert sorted(one.files[0].name for one in found.series) == ["chest", "film"]
    assert found.left_out == {"secondary capture": 1}
