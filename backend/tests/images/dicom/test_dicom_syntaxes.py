"""However the bytes of a DICOM file are packed, the same voxels come out; what others ship is read or refused."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import write_dicom, write_enhanced, write_series
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)
from refusals import refused

from medssl.core.errors import MedSSLError
from medssl.images.formats.dicom import is_dicom
from medssl.images.formats.dicom_series import find_series
from medssl.images.formats.reading import read_volume

CHECK = Path(__file__).resolve().parents[3] / "checks" / "foreign_files.py"
if not CHECK.is_file():
    pytest.skip("the tests lie outside their repository", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("foreign_files", CHECK)
assert SPEC is not None and SPEC.loader is not None
foreign_files = importlib.util.module_from_spec(SPEC)
sys.modules["foreign_files"] = foreign_files  # dataclasses look their module up
SPEC.loader.exec_module(foreign_files)


@pytest.fixture
def ct(tmp_path, rng) -> tuple[Path, np.ndarray]:
    smooth = np.add.outer(np.arange(40) * 20, np.arange(32) * 30) - 900 + rng.integers(-9, 9, (40, 32))
    hu = np.stack([smooth, smooth // 2, -smooth], axis=-1).astype(np.int16)
    return write_series(tmp_path / "ct", hu, [0.0, 2.0, 4.0]), hu


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_syntaxes_of_pydicom(ct, syntax):
    folder, hu = ct
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        if syntax == RLELossless:
            image.compress(syntax)
        else:
            if syntax == ExplicitVRBigEndian:
                image.PixelData = image.pixel_array.astype(">u2").tobytes()
            image.file_meta.TransferSyntaxUID = syntax
        if syntax == DeflatedExplicitVRLittleEndian:
            image.save_as(path)
            continue
        pydicom.dcmwrite(
            path, image, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, force_encoding=True
        )
    assert np.array_equal(read_volume(folder).array, hu)


def test_a_deflated_file_of_more_than_the_memory(ct, monkeypatch):
    folder, _ = ct
    path = next(folder.iterdir())
    image = pydicom.dcmread(path)
    image.add_new(0x00091001, "OB", bytes(2**24))
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(path)
    assert path.stat().st_size < 10**5 and read_volume(path).shape == (40, 32, 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**22))
    with refused("more-than-memory"):
        read_volume(path)


def pack(stored: np.ndarray, compressor: str, path: Path) -> pydicom.Dataset:
    """One slice (i, j) as GDCM packs it."""
    image = sitk.GetImageFromArray(stored.T[None])
    image.SetMetaData("0008|0060", "CT")
    image.SetMetaData("0008|0016", "1.2.840.10008.5.1.4.1.1.2")
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(image)
    packed = pydicom.dcmread(path)
    if not packed.file_meta.TransferSyntaxUID.is_encapsulated:
        pytest.skip(f"this SimpleITK does not write {compressor}")
    return packed


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000", "JPEGLS"])
@pytest.mark.parametrize("signed", [True, False])
def test_lossless_packing_by_gdcm(ct, tmp_path, compressor, signed):
    """Lossless JPEG, JPEG 2000 and JPEG-LS as GDCM writes them."""
    _, hu = ct
    stored = hu if signed else (hu + 1024).astype(np.uint16)
    pack(stored[..., 0], compressor, tmp_path / "packed.dcm")
    assert np.array_equal(read_volume(tmp_path / "packed.dcm").array[..., 0], stored[..., 0])


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000", "RLE"])
def test_packed_frames_of_an_enhanced_file(ct, tmp_path, compressor):
    _, hu = ct
    stored = (hu + 1024).astype(np.uint16)
    order = [2, 0, 1]
    frames = [{"position": [0, 0, 2.0 * k], "intercept": -1024 + k} for k in order]
    path = write_enhanced(tmp_path / "e.dcm", stored[..., order], frames)
    image = pydicom.dcmread(path)
    if compressor == "RLE":
        image.compress(RLELossless)
    else:
        packed = [pack(stored[..., k], compressor, tmp_path / "one.dcm") for k in order]
        image.file_meta.TransferSyntaxUID = packed[0].file_meta.TransferSyntaxUID
        image.PixelData = encapsulate([next(generate_frames(one.PixelData, number_of_frames=1)) for one in packed])
        image["PixelData"].VR = "OB"
    image.save_as(path)
    assert np.array_equal(read_volume(path).array, hu + np.arange(3))


@pytest.mark.parametrize("modality", ["CR", "CT"])
def test_jpeg_of_eight_bits(tmp_path, modality):
    """Baseline JPEG, as teaching files have it: near the original."""
    smooth = np.add.outer(np.arange(64) * 2, np.arange(48) * 2).astype(np.uint8)
    place = dict(ImagePositionPatient=[0, 0, 1.5], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1])
    path = write_dicom(tmp_path / "a", smooth.astype(np.uint16), Modality=modality, **place)
    image = pydicom.dcmread(path)
    picture = io.BytesIO()
    Image.fromarray(smooth.T).save(picture, "JPEG", quality=95)
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    image.PixelData = encapsulate([picture.getvalue()])
    image["PixelData"].VR = "OB"
    image.save_as(path)
    assert np.abs(read_volume(path).array.reshape(64, 48).astype(int) - smooth).max() < 6


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_preamble(ct, implicit):
    folder, hu = ct
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        del image.file_meta
        image.preamble = None
        pydicom.dcmwrite(path, image, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM" and is_dicom(path)
    assert np.array_equal(read_volume(folder).array, hu)
    assert len(find_series(sorted(folder.iterdir())).series) == 1


@pytest.mark.parametrize(
    "data", [b"", b"\x08", b"\x08\0" * 8, b"\x89PNG\r\n\x1a\n" + bytes(200), b"image,patient\n" * 20, bytes(300)]
)
def test_other_files_are_not_taken_for_dicom(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert not is_dicom(tmp_path / "x")
    assert not is_dicom(tmp_path)


@pytest.mark.parametrize("signed", [0, 1])
def test_unused_high_bits(tmp_path, rng, signed):
    """12 bits stored in 16: what stands above them is no part of the value, as GDCM has it too."""
    stored = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
    place = dict(ImagePositionPatient=[0, 0, 1.5], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1])
    path = write_dicom(tmp_path / "a", stored | 0xA000, BitsStored=12, HighBit=11, PixelRepresentation=signed, **place)
    volume = read_volume(path)
    assert np.array_equal(volume.array[..., 0], np.where(signed & (stored >= 2048), stored.astype(int) - 4096, stored))
    assert foreign_files.compare(volume, path) == "equal"


def test_a_modality_lut_instead_of_a_slope(tmp_path, rng):
    stored = rng.integers(0, 8, (8, 8)).astype(np.uint16)
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [8, 0, 16], "HU"
    values = np.asarray([10, 20, 40, 80, 160, 320, 640, 1280], np.uint16)
    table.LUTData = values.tobytes()
    volume = read_volume(write_dicom(tmp_path / "a", stored, ModalityLUTSequence=[table]))
    assert np.array_equal(volume.array[..., 0], values[stored])


@pytest.mark.parametrize(
    ("name", "path"), [pytest.param(n, p, id=n) for n, p in foreign_files.shipped_files(["pydicom"])]
)
def test_what_pydicom_ships_is_read_or_refused(name, path):
    outcome = foreign_files.try_to_read(name, path)
    assert outcome.result in ("read", "refused"), outcome.detail
    assert outcome.agrees in ("", "equal", "padding differs", "GDCM cannot read it"), outcome


def test_the_shipped_files_that_must_be_read(tmp_path):
    names = ("CT_small", "MR_small", "MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "MR_small_bigendian", "MR_small_implicit",
        "image_dfl", "JPGExtended", "JPEG-lossy", "J2K_pixelrep_mismatch", "693_J2KI", "emri_small")  # fmt: skip
    shipped = {Path(name).stem: path for name, path in foreign_files.shipped_files(["pydicom"])}
    outcomes = {name: foreign_files.try_to_read(name, shipped[name]) for name in names if name in shipped}
    assert len(outcomes) >= 10 and {outcome.result for outcome in outcomes.values()} == {"read"}, outcomes


def test_shipped_files_all_at_once():
    paths = [path for _, path in foreign_files.shipped_files(["pydicom"])]
    found = find_series(paths)
    assert len(found.series) > 12 and sum(found.left_out.values()) > 20
    readable = 0
    for series in found.series:
        try:
            readable += read_volume(series.files[0].parent, files=series.files).array.size > 0
        except MedSSLError:
            continue
    assert readable > 5
