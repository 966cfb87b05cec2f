from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from medssl.core.errors import VolumeError
from medssl.images.formats.image_files import stem
from medssl.images.formats.reading import read_volume


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_png_is_column_row(tmp_path, rng, kind):
    pixels = rng.integers(0, np.iinfo(kind).max, (5, 9)).astype(kind)  # rows, columns
    Image.fromarray(pixels).save(tmp_path / "Röntgen 1.png")
    volume = read_volume(tmp_path / "Röntgen 1.png", modality="CXR")
    assert volume.shape == (9, 5)
    assert np.array_equal(volume.array, pixels.T)


def test_grey_in_colour_channels_is_grey(tmp_path, rng):
    grey = rng.integers(0, 255, (6, 4), dtype=np.uint8)
    for name, channels in (("rgb", [grey] * 3), ("rgba", [*[grey] * 3, np.full_like(grey, 255)])):
        Image.fromarray(np.stack(channels, axis=-1)).save(tmp_path / f"{name}.png")
        assert np.array_equal(read_volume(tmp_path / f"{name}.png").array, grey.T)


def test_photograph_is_refused(tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "cat.jpg")
    with refused("colour-image"):
        read_volume(tmp_path / "cat.jpg")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_damaged_picture(tmp_path, rng, name):
    path = tmp_path / name
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(VolumeError):
        read_volume(path)
    path.write_bytes(b"")
    with pytest.raises(VolumeError):
        read_volume(path)


def test_stem():
    assert [stem(Path(n)) for n in ("a.b.nii.gz", "x.NRRD", "1.2.840", "y.png")] == ["a.b", "x", "1.2.840", "y"]
