"""What no library gets to see: flipped bits, impossible places, bombs, and headers that point out of their folder."""

from __future__ import annotations

import gzip
import zlib

import nibabel
import numpy as np
import psutil
import pytest
from dicom_files import write_dicom
from nifti_files import write_nifti
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGBaseline8Bit, RLELossless
from refusals import refused

from medssl.core.errors import ConfigError, VolumeError
from medssl.images.dicom.packed_frames import stated_size
from medssl.images.formats import guards
from medssl.images.formats.header import inspect_image
from medssl.images.formats.image_files import read_image
from medssl.images.formats.intake.memory import SETTING, most_bytes
from medssl.images.formats.nrrd_fields import canonical_lines
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume

DAMAGED = {"image-checksum", "image-truncated", "image-unreadable", "image-longer"}
NRRD = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 20 10 10\nendian: little\nencoding: raw\n"


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.integers(0, 250, (24, 20, 16)).astype(np.int16)


def flipped(data: bytes, start: int, rng, count: int):
    """The bytes with one bit of what follows `start` changed, `count` times."""
    for bit in rng.choice((len(data) - start) * 8, count, replace=False):
        changed = bytearray(data)
        changed[start + bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nii.gz", "a.mhd", "a.nhdr"])
def test_one_flipped_bit_of_packed_voxels_is_refused(tmp_path, noise, rng, name):
    write_volume(Volume(noise), tmp_path / name)
    path = next(
        (file for file in tmp_path.iterdir() if file.suffix in (".zraw", ".gz") and file.name != name), tmp_path / name
    )
    data = path.read_bytes()
    ends = [data.find(mark) + len(mark) for mark in (b"LOCAL\n", b"\n\n") if mark in data[:2000] and path.name == name]
    start = min(ends, default=10)  # the ten bytes of gzip's own header hold a time and a name of nobody's concern
    for changed in flipped(data, start, rng, 40):
        path.write_bytes(changed)
        try:
            volume = read_volume(tmp_path / name)
        except VolumeError as error:
            assert error.code in DAMAGED and "copy" in error.remedy
        else:  # bits of deflate that nobody reads: the last ones of its last byte
            assert np.array_equal(volume.array, noise)
    path.write_bytes(data)
    assert np.array_equal(read_volume(tmp_path / name).array, noise)


def test_itk_alone_takes_them(tmp_path, noise, rng):
    """Why the checksum is compared here: were ITK to do so one day, this is where to see it."""
    path = tmp_path / "a.mha"
    write_volume(Volume(noise), path)
    data = path.read_bytes()
    path.write_bytes(next(flipped(data, data.find(b"LOCAL\n") + 600, rng, 1)))
    assert not np.array_equal(read_image(path).array, noise)
    with pytest.raises(VolumeError):
        read_volume(path)


def test_a_flipped_bit_of_a_png_is_refused(tmp_path, noise, rng):
    path = tmp_path / "a.png"
    Image.fromarray(noise[..., 0].astype(np.uint8)).save(path)
    data = path.read_bytes()
    for changed in flipped(data, data.find(b"IDAT") + 4, rng, 30):
        path.write_bytes(changed)
        with pytest.raises(VolumeError) as caught:
            read_volume(path)
        assert caught.value.code in DAMAGED


@pytest.mark.parametrize("step", ["1e308", "1e30", "nan", "inf", "1e-300", "0"])
@pytest.mark.parametrize("spelling", ["space directions", "Space Directions", "SPACE_DIRECTIONS"])
def test_a_place_of_nrrd_that_no_reader_should_see(tmp_path, step, spelling):
    where = f"space: left-posterior-superior\n{spelling}: ({step},0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
    (tmp_path / "a.nrrd").write_bytes(NRRD + where.encode() + bytes(4000))
    with pytest.raises(VolumeError) as caught:
        inspect_image(tmp_path / "a.nrrd")
    assert caught.value.code == "geometry-invalid"


@pytest.mark.parametrize(
    "line",
    ["TransformMatrix = 1e308 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0 0 1 0 0 0 0 1", "Rotation = nan 0 0 0 1 0 0 0 1",
     "Offset = 0 0 1e200", "ElementSpacing = 1 inf 1", "ElementSpacing = 1 1e-200 1", "Origin = 0 nan 0"],
)  # fmt: skip
def test_a_place_of_metaimage_that_no_reader_should_see(tmp_path, line):
    head = (
        f"ObjectType = Image\nNDims = 3\n{line}\nDimSize = 20 10 10\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.mha").write_bytes(head.encode() + bytes(4000))
    with refused("geometry-invalid", names="a.mha"):
        inspect_image(tmp_path / "a.mha")


@pytest.mark.parametrize(
    "fields",
    [{"srow_x": (1e30, 0, 0, 0)}, {"srow_x": (0, 1, 0, 0)}, {"srow_y": (0, np.nan, 0, 0)}, {"srow_z": (0, 0, 1, np.inf)},
     {"sform_code": 0, "qform_code": 1, "quatern_b": np.nan}, {"sform_code": 0, "qform_code": 1, "qoffset_y": 1e20},
     {"pixdim": (1, np.inf, 1, 1, 0, 0, 0, 0)}, {"pixdim": (1, 1e30, 1, 1, 0, 0, 0, 0)}],
)  # fmt: skip
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_place_of_nifti_that_no_reader_should_see(tmp_path, noise, fields, kind):
    base = {"srow_x": (1, 0, 0, 0), "srow_y": (0, 1, 0, 0), "srow_z": (0, 0, 1, 0)}
    path = write_nifti(tmp_path / "a.nii", noise, kind=kind, **{**base, **fields})
    with refused("geometry-invalid", names="a.nii"):
        inspect_image(path)


@pytest.mark.parametrize("tag", ["ImageOrientationPatient", "PixelSpacing", "ImagePositionPatient"])
def test_a_place_of_dicom_that_no_reader_should_see(tmp_path, noise, tag):
    sound = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    bad = {
        "ImagePositionPatient": [0, 0, "1e11"],
        "ImageOrientationPatient": ["1e308", 0, 0, 0, 1, 0],
        "PixelSpacing": ["1e30", 1],
    }
    path = write_dicom(tmp_path / "a.dcm", noise[..., 0], **{**sound, tag: bad[tag]})
    with pytest.raises(VolumeError):
        read_volume(path)


def bomb(name: str, path, size: int) -> None:
    """A file whose header announces 4 000 bytes of voxels, and which unpacks to `size`."""
    if name.endswith(".nrrd"):
        path.write_bytes(NRRD.replace(b"raw", b"gzip") + b"\n" + gzip.compress(bytes(size), 1))
    elif name.endswith(".nii.gz"):
        write_nifti(path.with_name("b.nii"), np.ones((20, 10, 10), np.int16))
        path.write_bytes(gzip.compress(path.with_name("b.nii").read_bytes() + bytes(size), 1))
    else:
        head = "ObjectType = Image\nNDims = 3\nCompressedData = True\nDimSize = 20 10 10\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        path.write_bytes(head.encode() + zlib.compress(bytes(size), 1))


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz", "a.mha"])
def test_unpacking_stops_at_what_was_announced(tmp_path, monkeypatch, name):
    path = tmp_path / name
    bomb(name, path, 5000)  # some writers fill up blocks
    read_volume(path)
    bomb(name, path, 3 * 2**24)
    counted = []

    class Counting:
        def __init__(self, bits):
            self._real = zlib.decompressobj(bits)

        def decompress(self, data, most):
            counted.append(len(found := self._real.decompress(data, most)))
            return found

        def __getattr__(self, name):
            return getattr(self._real, name)

    monkeypatch.setattr(
        "medssl.images.formats.intake.streams.zlib", type("zlib", (), {"decompressobj": Counting, "error": zlib.error})
    )
    with refused("image-longer", names=name):
        read_volume(path)
    assert 0 < sum(counted) < 2**23


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz", "a.mha", "a.png"])
def test_what_is_announced_is_compared_with_the_memory_and_the_setting_first(tmp_path, noise, monkeypatch, name):
    path = tmp_path / name
    if name == "a.png":
        Image.fromarray(np.zeros((300, 300), np.uint8)).save(path)
    else:
        write_volume(Volume(np.zeros((100, 100, 40), np.int16)), path)
    read_volume(path)
    monkeypatch.setenv(SETTING, str(2**19 / 2**30))
    monkeypatch.setattr("medssl.images.formats.intake.streams.zlib", None)  # nothing is unpacked
    with refused("more-than-memory", names=[name, SETTING]):
        read_volume(path)


@pytest.mark.parametrize("bitpix", [0, 1, -32752])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_announces_by_its_data_type_as_the_reader_takes_it(tmp_path, noise, monkeypatch, kind, bitpix):
    path = write_nifti(tmp_path / "a.nii", noise, kind=kind, bitpix=bitpix)
    assert inspect_image(path).bytes == noise.nbytes and (read_volume(path).array == noise).all()
    monkeypatch.setenv(SETTING, str(noise.nbytes / 2 / 2**30))
    with refused("more-than-memory", names=["a.nii", SETTING]):
        read_volume(path)


@pytest.mark.parametrize(
    "fields",
    [{"dim": (3, -24, -20, 16, 1, 1, 1, 1)}, {"dim": (3, 24, 20, -1, 1, 1, 1, 1)}, {"datatype": 77}, {"datatype": 1}],
)
def test_nifti_without_a_shape_or_a_type_meets_no_reader(tmp_path, noise, fields):
    path = write_nifti(tmp_path / "a.nii", noise, **fields)
    with refused("image-unreadable", names="a.nii"):
        inspect_image(path)


def test_the_setting_is_a_number_and_never_more_than_is_free(monkeypatch):
    monkeypatch.setenv(SETTING, "0.5")
    assert most_bytes() == 2**29 or most_bytes() < psutil.virtual_memory().total
    monkeypatch.setenv(SETTING, "1e9")
    assert most_bytes() <= psutil.virtual_memory().total
    for wrong in ("much", "0", "-1", "nan"):
        monkeypatch.setenv(SETTING, wrong)
        with pytest.raises(ConfigError):
            most_bytes()


def test_a_packed_dicom_frame_larger_than_announced_meets_no_decoder(tmp_path, noise, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", noise[..., 0].astype(np.uint16))
    image = dcmread(path)
    image.compress(RLELossless)
    image.save_as(path)
    assert np.array_equal(read_volume(path).array[..., 0], noise[..., 0])
    packed = next(generate_frames(image.PixelData, number_of_frames=1))
    image.PixelData = encapsulate([packed[:64] + b"\x81\0" * 200_000])  # 128 zeros of each two bytes
    image.save_as(path)
    monkeypatch.setattr("medssl.images.dicom.decoding.iter_pixels", None)
    with refused("image-unreadable", names="a.dcm"):
        read_volume(path)


@pytest.mark.parametrize("kind", ["jpg", "jp2"])
def test_the_size_inside_a_packed_frame_is_compared_with_the_header(tmp_path, kind):
    picture = Image.fromarray(np.zeros((30, 40), np.uint8))
    picture.save(tmp_path / f"a.{kind}")
    packed = (tmp_path / f"a.{kind}").read_bytes()
    assert stated_size(packed) == (40, 30) and stated_size(b"") is None and stated_size(b"\xff\xd8\xff") is None
    if kind == "jp2":
        return
    path = write_dicom(
        tmp_path / "a.dcm", np.zeros((40, 30), np.uint16), "DX", BitsAllocated=8, BitsStored=8, HighBit=7
    )
    image = dcmread(path)
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    image.PixelData = encapsulate([packed])
    image["PixelData"].VR = "OB"
    image.save_as(path)
    assert read_volume(path).shape == (40, 30)
    image.Rows = image.Columns = 10
    image.save_as(path)
    with refused("image-unreadable", names=["40 x 30", "10 x 10"]):
        read_volume(path)


def pair(folder, voxels: str, kind: str):
    """A header in `folder` that names `voxels`."""
    path = folder / f"a.{kind}"
    if kind == "nhdr":
        path.write_bytes(NRRD + f"data file: {voxels}\n\n".encode())
    else:
        head = "ObjectType = Image\nNDims = 3\nDimSize = 20 10 10\nElementType = MET_SHORT\nElementDataFile = "
        path.write_text(f"{head}{voxels}\n")
    return path


@pytest.mark.parametrize("kind", ["nhdr", "mhd"])
def test_a_header_names_only_what_lies_below_its_own_folder(tmp_path, kind):
    inside, outside = tmp_path / "inside", tmp_path / "outside.raw"
    (inside / "below").mkdir(parents=True)
    outside.write_bytes(bytes(4000))
    (inside / "here.raw").write_bytes(bytes(4000))
    (inside / "below" / "there.raw").write_bytes(bytes(4000))
    (inside / "link.raw").symlink_to(outside)
    (inside / "own.raw").symlink_to(inside / "here.raw")
    for name in ("here.raw", "below/there.raw", "own.raw", "below/../here.raw"):
        assert read_volume(pair(inside, name, kind)).shape == (20, 10, 10)
    for name in (
        "../outside.raw",
        str(outside),
        "link.raw",
        "below/../../outside.raw",
        str(inside / "here.raw"),
        "gone.raw",
        "LIST",
    ):
        with refused("voxels-elsewhere", names=f"a.{kind}"):
            read_volume(pair(inside, name, kind))
    linked = (
        tmp_path / f"linked.{kind}"
    )  # a folder of links to headers that lie with their voxels is how people choose cases
    linked.symlink_to(pair(inside, "here.raw", kind))
    (tmp_path / "here.raw").symlink_to(inside / "here.raw")
    assert read_volume(linked).shape == (20, 10, 10)


def test_the_voxels_of_an_analyze_pair_are_no_link_to_elsewhere(tmp_path, noise):
    folder = tmp_path / "pair"
    folder.mkdir()
    path = write_nifti(folder / "a.hdr", noise, kind=nibabel.Nifti1Pair)
    read_volume(path)
    (folder / "a.img").rename(tmp_path / "b.img")
    (folder / "a.img").symlink_to(tmp_path / "b.img")
    with refused("voxels-elsewhere", names="a.hdr"):
        read_volume(path)


@pytest.mark.parametrize("decoy", ["\u2028", "\x85", "\r", "\x0b", "\x1c"])
def test_lines_of_a_metaimage_header_end_where_itk_ends_them(tmp_path, decoy):
    (tmp_path / "secret.raw").write_bytes(bytes(4000))
    head = (
        f"Comment = x{decoy}ElementDataFile = LOCAL\nObjectType = Image\nNDims = 3\nDimSize = 20 10 10\n"
        f"ElementType = MET_SHORT\nElementDataFile = {tmp_path}/secret.raw\n"
    )
    (tmp_path / "a.mha").write_bytes(head.encode() + bytes(4000))
    with pytest.raises(VolumeError) as caught:
        inspect_image(tmp_path / "a.mha")
    assert caught.value.code == "image-unreadable"


@pytest.mark.parametrize(
    "again", ["sizes: 9 9 9", "Sizes: 9 9 9", "S_I_Z_E_S: 9 9 9", "space directions: none\nSpace Directions: none"]
)
def test_no_field_of_nrrd_is_there_twice_in_whatever_spelling(again):
    with pytest.raises(ValueError, match="twice"):
        canonical_lines(NRRD + again.encode() + b"\n")
    with pytest.raises(ValueError, match="carriage"):
        canonical_lines(NRRD + b"content: x\rdata file: a\n")


def test_no_field_of_metaimage_is_there_twice(tmp_path):
    head = "ObjectType = Image\nNDims = 3\nDimSize = 20 10 10\nDimSize = 2 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(head.encode() + bytes(4000))
    with refused("image-unreadable", names="a.mha"):
        inspect_image(tmp_path / "a.mha")


def test_a_header_is_no_larger_than_headers_are(tmp_path, monkeypatch):
    monkeypatch.setattr("medssl.images.formats.intake.nrrd_header.LONGEST", 2**10)
    (tmp_path / "a.nrrd").write_bytes(NRRD + b"content: " + b"x" * 2**11)
    with refused("image-unreadable", names="a.nrrd"):
        inspect_image(tmp_path / "a.nrrd")


def test_the_guard_has_what_verifies_where_a_format_has_a_checksum(tmp_path, noise):
    plain = guards.Header((), 0).verify
    for name, has in (
        ("a.nrrd", True),
        ("a.nii.gz", True),
        ("a.mha", True),
        ("b.nrrd", False),
        ("b.nii", False),
        ("b.mha", False),
    ):
        write_volume(Volume(noise), tmp_path / name, compress=has)
        assert (inspect_image(tmp_path / name).verify is not plain) == has
