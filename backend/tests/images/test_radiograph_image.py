"""Whatever form a radiograph comes in, the same pixels reach the network."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import write_dicom
from phantoms import chest, stored
from PIL import Image
from refusals import refused

from medssl.images.formats.reading import read_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.polarity import NOTE, looks_inverted
from medssl.images.radiograph import as_radiograph
from medssl.images.volume import Volume

CHEST = chest()


def test_eight_bits_are_taken_as_they_are():
    radiograph = as_radiograph(Volume(stored(CHEST, 8)))
    assert radiograph.pixels.dtype == np.float32 and radiograph.pixels.shape == (240, 200)  # rows, columns
    assert radiograph.window == (0, 255) and radiograph.volume.modality == "CXR" and radiograph.notes == ()
    np.testing.assert_allclose(radiograph.pixels, stored(CHEST, 8).T / 255, atol=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_more_bits_are_clipped_to_percentiles(bits):
    image = stored(CHEST, bits)
    low, high = np.percentile(image, (0.5, 99.5))
    radiograph = as_radiograph(Volume(image))
    assert radiograph.window == pytest.approx((low, high), abs=0.002 * 2**bits)
    np.testing.assert_allclose(radiograph.pixels, np.clip((image.T - low) / (high - low), 0, 1), atol=0.005)
    twelve = as_radiograph(Volume(stored(CHEST, 12))).pixels
    np.testing.assert_allclose(radiograph.pixels, twelve, atol=0.005)
    eight = as_radiograph(Volume(stored(CHEST, 8))).pixels
    assert (
        np.abs(radiograph.pixels - eight).mean() < 0.06 and np.corrcoef(radiograph.pixels.flat, eight.flat)[0, 1] > 0.99
    )


@pytest.mark.parametrize(
    "convert", [lambda a: a.astype(np.int32) - 2000, lambda a: a / np.float32(4095), lambda a: a * 7.5 + 3]
)
def test_signed_and_fractional_values_too(convert):
    twelve = stored(CHEST, 12)
    np.testing.assert_allclose(
        as_radiograph(Volume(convert(twelve))).pixels, as_radiograph(Volume(twelve)).pixels, atol=1e-3
    )


def test_a_dead_pixel_moves_nothing():
    image = stored(CHEST, 12)
    image[50, 60] = 65535
    change = np.abs(as_radiograph(Volume(image)).pixels - as_radiograph(Volume(stored(CHEST, 12))).pixels)
    assert change[60, 50] > 0.3
    change[60, 50] = 0
    assert change.max() < 0.002


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_monochrome1_equals_monochrome2(tmp_path, bits):
    image = stored(0.2 + 0.5 * CHEST, bits).astype(np.uint16)
    tags = dict(modality="DX", BitsStored=bits, HighBit=bits - 1)
    bright = write_dicom(tmp_path / "a.dcm", image, PhotometricInterpretation="MONOCHROME2", **tags)
    dark = write_dicom(tmp_path / "b.dcm", 2**bits - 1 - image, PhotometricInterpretation="MONOCHROME1", **tags)
    first, second = (as_radiograph(read_volume(path)) for path in (bright, dark))
    np.testing.assert_allclose(first.pixels, second.pixels, atol=1e-3)
    assert first.pixels[200:, 60:140].mean() > first.pixels[100:140, 40:60].mean()  # abdomen, lung


@pytest.mark.parametrize("bits", [8, 12])
def test_inverted_images_are_turned_round_on_request(bits):
    image = stored(0.2 + 0.5 * CHEST, bits)
    turned = as_radiograph(Volume((2**bits - 1 - image).astype(image.dtype)), inverted=True)
    np.testing.assert_allclose(turned.pixels, as_radiograph(Volume(image)).pixels, atol=1e-3)
    low, high = turned.window
    np.testing.assert_allclose(np.clip((turned.volume.array.T - low) / (high - low), 0, 1), turned.pixels, atol=1e-6)


def test_an_image_that_looks_inverted_is_noted_not_changed():
    image = stored(1 - CHEST, 8)
    radiograph = as_radiograph(Volume(image))
    assert radiograph.notes == (NOTE,)
    np.testing.assert_allclose(radiograph.pixels, image.T / 255, atol=1e-6)
    noted = Volume(image, notes=("Window ignored", NOTE))  # as its reader left it
    assert as_radiograph(noted).notes == ("Window ignored", NOTE)
    assert as_radiograph(noted, inverted=True).notes == ("Window ignored",)


def test_pixels_that_are_no_squares_are_noted():
    image = stored(CHEST, 8)
    (note,) = as_radiograph(Volume(image, spacing=(1.0, 2.5, 1.0))).notes
    assert "1 x 2.5 mm" in note and "2.5 times too flat" in note and "resample" in note
    assert "narrow" in as_radiograph(Volume(image, spacing=(2.5, 1.0, 1.0))).notes[0]
    assert as_radiograph(Volume(image, spacing=(1.0, 1.1, 5.0))).notes == ()


def test_the_note_is_never_wrong_and_seldom_missing_on_real_radiographs(shared_data):
    pictures = sorted((shared_data / "cxr-nih" / "images").iterdir())[::15]
    pixels = [as_radiograph(read_volume(picture)).pixels for picture in pictures]
    assert len(pixels) > 40
    assert not any(looks_inverted(image.T) for image in pixels)
    assert np.mean([looks_inverted(1 - image.T) for image in pixels]) > 0.9


def test_borders_are_left_out_and_their_place_is_known():
    image = np.zeros((260, 300), np.uint8)  # a letter box, a frame of another grey inside it
    image[25:235, 35:285] = 120
    image[30:230, 40:280] = stored(CHEST, 8)
    radiograph = as_radiograph(Volume(image))
    assert (radiograph.x0, radiograph.y0) == (30, 40)
    assert np.array_equal(np.rint(radiograph.pixels * 255), stored(CHEST, 8).T)
    assert "200 x 240 of 260 x 300" in radiograph.notes[0]


def test_grey_levels_outside_the_borders_do_not_count():
    image = np.full((260, 300), 60000, np.uint16)
    image[30:230, 40:280] = stored(CHEST, 12)
    np.testing.assert_allclose(
        as_radiograph(Volume(image)).pixels, as_radiograph(Volume(stored(CHEST, 12))).pixels, atol=1e-6
    )


def test_colour_channels_that_are_grey(tmp_path):
    grey = stored(CHEST, 8).T
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "rgb.jpg", quality=90)
    Image.fromarray(np.stack([grey] * 4, axis=-1)).save(tmp_path / "rgba.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    for name, tolerance in (("rgb.jpg", 0.1), ("rgba.png", 1e-6), ("palette.png", 1e-6)):
        pixels = as_radiograph(read_volume(tmp_path / name)).pixels
        np.testing.assert_allclose(pixels, grey / 255, atol=tolerance)


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.full((200, 200), 7, np.uint8), "image-constant"),
        (np.zeros((200, 200), np.float32), "image-constant"),
        ((CHEST > 0.5).astype(np.uint8), "image-without-contrast"),
        (np.eye(200, dtype=np.float32) * 0.5, "image-without-contrast"),
        (stored(chest(63, 200), 8), "image-too-small"),
        (stored(chest(100, 401), 8), "image-too-long"),
        (np.where(CHEST > 0.5, np.nan, CHEST), "image-nan"),
        (np.where(CHEST > 0.5, np.inf, CHEST), "image-nan"),
    ],
)
def test_what_is_no_radiograph_is_refused(array, code):
    with refused(code) as caught:
        as_radiograph(Volume(array, name="odd"))
    assert "odd" in caught.value.value and caught.value.remedy


def test_sides_of_64_and_one_to_four_are_accepted():
    assert as_radiograph(Volume(stored(chest(64, 256), 8))).pixels.shape == (256, 64)


def test_the_normalisation_of_a_model_decides(ct):
    slab = np.repeat(np.repeat(ct.array, 3, axis=0), 3, axis=1)
    radiograph = as_radiograph(
        Volume(slab, modality="CT"), view="k", normalisation=NormalisationConfig("ct", low=-200, high=200)
    )
    assert radiograph.window == (-200, 200)
    with refused("modality-mismatch", names="'ct'"):
        as_radiograph(Volume(stored(CHEST, 8)), normalisation=NormalisationConfig("ct"))
