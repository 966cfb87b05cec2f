"""PNG and JPEG as cameras, viewers and exports write them: depth, rotation, channels, reversed greys."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import chest, stored
from PIL import Image
from refusals import refused

from medssl.images.formats.reading import read_labels, read_volume
from medssl.images.polarity import NOTE, looks_inverted

CASES = Path(__file__).resolve().parents[5] / "shared" / "cases" / "pictures"
TRANSPOSED = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_270)  # fmt: skip
STORED_AS = dict(zip(range(2, 9), TRANSPOSED))  # what a camera stores, which EXIF's 2...8 undo


def deep_png(path: Path, pixels: np.ndarray) -> Path:
    """Write (rows, columns, channels) uint16 as PNG: 2 channels are grey and opacity, 4 colours and opacity."""
    kind = {2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    return png(path, pixels.shape[1], 16, kind, [row.astype(">u2").tobytes() for row in pixels])


def png(path: Path, width: int, bits: int, kind: int, lines: list[bytes]) -> Path:
    """Write packed lines as PNG of a bit depth and colour type."""
    rows = b"".join(b"\0" + line for line in lines)
    header = struct.pack(">IIBBBBB", width, len(lines), bits, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_are_kept_in_any_channels(tmp_path, rng, bits, channels):
    grey = rng.integers(0, 2**bits, (40, 30)).astype(np.uint16)
    opaque = channels in (2, 4)
    layers = [grey] * (channels - opaque) + [np.full_like(grey, 65535)] * opaque
    volume = read_volume(deep_png(tmp_path / "a.png", np.stack(layers, axis=-1)))
    assert np.array_equal(volume.array, grey.T) and volume.array.dtype == np.uint16


def test_colours_of_sixteen_bits_are_refused(tmp_path, rng):
    pixels = rng.integers(0, 4096, (32, 32, 3)).astype(np.uint16)
    with refused("colour-image"):
        read_volume(deep_png(tmp_path / "a.png", pixels))
    faint = np.stack([pixels[..., 0], pixels[..., 0] // 2, pixels[..., 0]], axis=-1)
    with refused("colour-image"):
        read_volume(deep_png(tmp_path / "b.png", faint))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_rotation_is_undone(tmp_path, suffix, orientation):
    upright = stored(chest(90, 120), 8).T
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = Image.fromarray(upright)
    if orientation in STORED_AS:
        turned = turned.transpose(STORED_AS[orientation])
    turned.save(tmp_path / f"a.{suffix}", exif=exif, **({"quality": 98} if suffix == "jpg" else {}))
    volume = read_volume(tmp_path / f"a.{suffix}")
    assert volume.shape == (90, 120)
    assert np.abs(volume.array.astype(int) - upright.T).max() <= (12 if suffix == "jpg" else 0)
    assert bool(volume.notes) == (orientation > 1)


def test_a_deep_colour_picture_is_turned_too(tmp_path, rng):
    grey = rng.integers(0, 4096, (20, 30)).astype(np.uint16)
    path = deep_png(tmp_path / "a.png", np.stack([grey] * 3, axis=-1))
    data = path.read_bytes()
    exif = b"eXIf" + b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    chunk = struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif))
    path.write_bytes(data[:33] + chunk + data[33:])
    assert np.array_equal(read_volume(path).array, np.rot90(grey, -1).T)


def test_modes_of_eight_bits_are_grey(tmp_path, rng):
    grey = Image.fromarray(rng.integers(0, 255, (12, 10), dtype=np.uint8))
    one = grey.point(lambda v: 255 * (v > 99)).convert("1")
    palette = grey.convert("P")
    for name, picture, wanted in (
        ("la.png", grey.convert("LA"), grey), ("p.png", palette, grey), ("one.png", one, one.convert("L")),
        ("rgba.png", grey.convert("RGBA"), grey),
    ):  # fmt: skip
        picture.save(tmp_path / name)
        assert np.array_equal(read_volume(tmp_path / name).array, np.asarray(wanted).T), name
    grey.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    assert np.abs(read_volume(tmp_path / "cmyk.jpg").array.astype(int) - np.asarray(grey).T).mean() < 20


def test_a_palette_of_labels_keeps_its_numbers(tmp_path):
    drawn = np.zeros((20, 30), np.uint8)
    drawn[3:9, 4:7] = 2
    palette = Image.fromarray(drawn).convert("P")
    palette.putdata(drawn.ravel())
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "a.png")
    assert np.array_equal(read_labels(tmp_path / "a.png").array, drawn.T)
    with refused("colour-image"):
        read_volume(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(200, 240), (90, 120), (640, 512)])
def test_a_negative_is_noted_and_a_radiograph_is_not(tmp_path, bits, size):
    image = stored(chest(*size), bits)
    for pixels, noted in ((image, False), (2**bits - 1 - image, True)):
        Image.fromarray(pixels.T.copy()).save(tmp_path / "a.png")
        volume = read_volume(tmp_path / "a.png")
        assert (NOTE in volume.notes) == noted
        assert np.array_equal(volume.array, pixels)  # noted, not changed


def test_nothing_is_said_of_flat_small_and_noisy_pictures(rng):
    assert not looks_inverted(np.zeros((100, 100), np.uint8)) and not looks_inverted(np.eye(8))
    assert not any(looks_inverted(rng.normal(0, 1, (64, 80))) for _ in range(20))


def test_public_radiographs_are_hardly_ever_called_inverted(shared_data):
    files = sorted((shared_data / "cxr-nih" / "images").iterdir())[::10] + sorted(
        (shared_data / "cxr-lungs" / "images").iterdir()
    )
    images = [read_volume(file) for file in files]
    assert len(images) > 100 and sum(NOTE in image.notes for image in images) <= 1
    assert np.mean([looks_inverted(image.array.max() - image.array) for image in images]) > 0.9


def test_the_shared_files_of_this_kind():
    if not CASES.is_dir():
        pytest.skip("no folder shared/cases beside the repository")
    upright, rotated = read_volume(CASES / "upright.jpg"), read_volume(CASES / "exif-rotated.jpg")
    assert upright.shape == rotated.shape
    assert np.abs(upright.array.astype(int) - rotated.array).max() <= 12  # JPEG, packed in two directions
    deep = read_volume(CASES / "rgb16.png")
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(CASES / "rgb16.png")))[..., 0]
    assert np.array_equal(deep.array, truth.T) and len(np.unique(deep.array)) > 1000


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_labels_of_few_bits_keep_their_numbers(tmp_path, bits):
    numbers = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    text = ["".join(f"{n:0{bits}b}" for n in row) for row in numbers]
    path = png(
        tmp_path / "labels.png", 4, bits, 0, [bytes(int(t[n : n + 8], 2) for n in range(0, len(t), 8)) for t in text]
    )
    assert np.array_equal(read_labels(path).array, numbers.T)
    assert read_volume(path).array.max() == 3 * {2: 85, 4: 17}[bits]  # as a picture it is grey
