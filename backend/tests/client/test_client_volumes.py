from __future__ import annotations

import hashlib

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from medssl.client.volumes import nrrd_bytes, pieces, read_nrrd_bytes, sha256_of
from medssl.core.errors import VolumeError

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def oblique() -> np.ndarray:
    """A rotation, anisotropic spacing and an origin."""
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([0.7, 0.8, 2.5])
    matrix[:3, 3] = [12.5, -30.25, 100.125]
    return matrix


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(-1000, 1000, (2, 3, 4)).astype(np.int16)


@pytest.mark.parametrize("dtype", TYPES)
def test_there_and_back(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    back, matrix = read_nrrd_bytes(nrrd_bytes(array, oblique()))
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back, array)
    np.testing.assert_allclose(matrix, oblique(), atol=1e-12)


def test_simpleitk_reads_the_same_voxels_at_the_same_place(array, tmp_path):
    path = tmp_path / "größe 1.nrrd"
    path.write_bytes(nrrd_bytes(array, oblique()))
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    for index in ((0, 0, 0), (3, 2, 1)):
        ras = oblique() @ [*index, 1.0]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), [-ras[0], -ras[1], ras[2]], atol=1e-9)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_simpleitk_writes_is_read(array, tmp_path, compressed):
    (tmp_path / "in.nrrd").write_bytes(nrrd_bytes(array, oblique()))
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "in.nrrd")), str(tmp_path / "out.nrrd"), useCompression=compressed)
    back, matrix = read_nrrd_bytes((tmp_path / "out.nrrd").read_bytes())
    np.testing.assert_array_equal(back, array)
    np.testing.assert_allclose(matrix, oblique(), atol=1e-9)


def test_what_pynrrd_writes_is_read(array, tmp_path):
    header = {
        "space": "right-anterior-superior",
        "space directions": oblique()[:3, :3].T,
        "space origin": oblique()[:3, 3],
    }
    nrrd.write(str(tmp_path / "x.nrrd"), array.T, header)
    back, matrix = read_nrrd_bytes((tmp_path / "x.nrrd").read_bytes())
    np.testing.assert_array_equal(back, array)
    np.testing.assert_allclose(matrix, oblique(), atol=1e-9)


def test_views_slices_and_big_endian_arrays_are_written_in_order(array):
    for given in (array[:, ::-1, ::2], array.astype(">i2"), np.asfortranarray(array)):
        np.testing.assert_array_equal(read_nrrd_bytes(nrrd_bytes(given, np.eye(4)))[0], given)
    assert read_nrrd_bytes(nrrd_bytes(array[0], np.eye(4)))[0].shape == (1, 3, 4)


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2, 2), complex), np.zeros((2, 2, 2), bool), np.zeros(3), np.zeros((0, 2, 2))]
)
def test_what_nrrd_cannot_hold_is_refused(bad):
    with pytest.raises(VolumeError):
        nrrd_bytes(bad, np.eye(4))


def test_damaged_files_are_told(array):
    whole = nrrd_bytes(array, np.eye(4))
    for damaged in (
        whole[:-1],
        whole[:-2],
        whole[:20],
        b"",
        b"PNG\n\n",
        whole.replace(b"raw", b"hex"),
        whole.replace(b"raw", b"gzip"),
    ):
        with pytest.raises(VolumeError):
            read_nrrd_bytes(damaged)


def test_hashes_and_pieces(tmp_path):
    (tmp_path / "x").write_bytes(b"abc" * 1000)
    assert sha256_of(b"abc" * 1000) == sha256_of(tmp_path / "x") == hashlib.sha256(b"abc" * 1000).hexdigest()
    assert list(pieces(25, 10)) == [(0, 10), (10, 20), (20, 25)] and list(pieces(0)) == []
