from __future__ import annotations

import gzip

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import VolumeError
from medssl.images.formats.header import read_image_header
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume

SUFFIXES = [".nrrd", ".nii", ".nii.gz", ".mha"]


@pytest.fixture
def noise(rng) -> Volume:
    return Volume(rng.integers(-30000, 30000, (30, 20, 10)).astype(np.int16))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compress", [True, False])
def test_header_tells_shape_and_bytes(tmp_path, noise, suffix, compress):
    write_volume(noise, tmp_path / f"a{suffix}", compress)
    header = read_image_header(tmp_path / f"a{suffix}")
    assert (header.shape, header.bytes) == ((30, 20, 10), 12000)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_truncated_file(tmp_path, noise, suffix, compress, share):
    path = tmp_path / f"a{suffix}"
    write_volume(noise, path, compress)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert path.name in caught.value.value and caught.value.remedy


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file_and_noise(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"")
    with refused("image-truncated"):
        read_volume(path)
    path.write_bytes(b"this is not an image" * 40)
    with pytest.raises(VolumeError):
        read_volume(path)


@pytest.mark.parametrize("field", ["data file", "Data File", "DATAFILE"])
def test_a_local_header_may_have_its_voxels_in_a_file_beside_it_however_that_field_is_spelt(tmp_path, field):
    (tmp_path / "a.raw").write_bytes(np.arange(2000, dtype="<i2").tobytes())
    start = "NRRD0004\ntype: short\ndimension: 3\nsizes: 20 10 10\nendian: little\nencoding: raw\n"
    (tmp_path / "a.nhdr").write_text(f"{start}{field}: a.raw\n\n")
    assert read_volume(tmp_path / "a.nhdr").array[5, 0, 0] == 5


def _giant_nrrd(path, encoding):
    path.write_bytes(
        b"NRRD0004\ntype: short\ndimension: 3\nsizes: 10000 10000 10000\nendian: little\nencoding: "
        + encoding
        + b"\n\n"
        + b"\0" * 64
    )


def _giant_nifti(path, noise):
    write_volume(noise, path)
    packed = path.suffix == ".gz"
    data = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    data[42:48] = np.array([10000] * 3, "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))


def test_header_that_announces_a_million_million_voxels(tmp_path, noise):
    files = {name: tmp_path / name for name in ("a.nrrd", "z.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.mhd")}
    _giant_nrrd(files["a.nrrd"], b"raw")
    _giant_nrrd(files["z.nrrd"], b"gzip")
    _giant_nifti(files["a.nii"], noise)
    _giant_nifti(files["a.nii.gz"], noise)
    meta = "ObjectType = Image\nNDims = 3\nDimSize = 10000 10000 10000\nElementType = MET_SHORT\nElementDataFile = "
    files["a.mha"].write_text(meta + "LOCAL\n" + "x" * 64)
    files["a.mhd"].write_text(meta + "a.raw\n")
    for name, path in files.items():
        code = "more-than-memory" if name == "a.mhd" else "image-truncated"
        with refused(code, names="1,000,000,000,000 voxels") as caught:
            read_volume(path)
        assert caught.value.remedy


def test_gzip_of_several_members_is_whole(tmp_path, noise):
    path = tmp_path / "a.nii.gz"
    write_volume(noise, path)
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[:5000]) + gzip.compress(data[5000:]))
    assert np.array_equal(read_volume(path).array, noise.array)
