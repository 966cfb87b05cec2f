"""Whatever happened to a DICOM file, reading it ends in an image or in an error of ours."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import write_dicom, write_enhanced, write_series
from dicom_mutants import good_files, mutate

from medssl.core.errors import MedSSLError
from medssl.images.formats.dicom_series import find_series
from medssl.images.formats.reading import read_volume


@pytest.fixture
def good(tmp_path, rng) -> list[bytes]:
    folder = tmp_path / "good"
    folder.mkdir()
    place = dict(ImagePositionPatient=[0, 0, 1.5], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1])
    pixels = rng.integers(0, 3000, (12, 10, 3)).astype(np.uint16)
    write_dicom(folder / "ct.dcm", pixels[..., 0], RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=0, **place)
    write_dicom(folder / "dx.dcm", pixels[..., 0], modality="DX", WindowCenter=[900, 40], WindowWidth=[700, 400])
    write_enhanced(folder / "enhanced.dcm", pixels, [{"position": [0, 0, 2.5 * k], "time": 1} for k in range(3)])
    return good_files(folder)


def check(good: list[bytes], folder, rng, number: int) -> list[str]:
    """Read `number` damaged files alone, beside others and through `find_series`; what else than our errors came out."""
    series = write_series(folder / "series", rng.integers(-1000, 1000, (12, 10, 3)).astype(np.int16), [0.0, 2.5, 5.0])
    path, wrong = series / "mutant", []
    for _ in range(number):
        what, data = mutate(good[rng.integers(len(good))], rng)
        path.write_bytes(data)
        for read in (read_volume, lambda path: read_volume(path.parent), lambda path: find_series([path])):
            try:
                read(path)
            except MedSSLError as error:
                if str(path.parent) not in error.value:
                    wrong.append(f"{what}: {error} does not name the file")
            except Exception as error:
                wrong.append(f"{what}: {type(error).__name__}: {error}")
    return wrong


def test_damaged_files_give_our_errors(good, tmp_path):
    assert check(good, tmp_path, np.random.default_rng(4), 150) == []


@pytest.mark.slow
def test_a_thousand_damaged_files_give_our_errors(good, tmp_path):
    assert check(good, tmp_path, np.random.default_rng(5), 1000) == []
