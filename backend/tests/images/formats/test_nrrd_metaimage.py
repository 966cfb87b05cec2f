"""NRRD and MetaImage as other tools write them, and the one road that every format takes."""

from __future__ import annotations

import nrrd
import numpy as np
import pytest
from dicom_files import write_dicom
from nifti_files import write_nifti
from PIL import Image
from refusals import refused

from medssl.core.errors import VolumeError
from medssl.images.formats import guards
from medssl.images.formats.reading import read_labels, read_volume, write_volume
from medssl.images.volume import Volume

STEPS = np.array([[0.7, 0, 0], [0, 0.8, 0], [0, 0, 2.5]])
FLIPS = {"left-posterior-superior": (1, 1, 1), "right-anterior-superior": (-1, -1, 1), "RAS": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "LPS": (1, 1, 1), "LAS": (1, -1, 1)}  # fmt: skip


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.integers(0, 250, (9, 8, 7)).astype(np.int16)


def write(path, array, **header):
    nrrd.write(str(path), array, {"space directions": STEPS, "space origin": [1, 2, 3], **header}, index_order="F")
    return path


@pytest.mark.parametrize("space", FLIPS)
def test_every_space_is_brought_to_lps(tmp_path, noise, space):
    volume = read_volume(write(tmp_path / "a.nrrd", noise, space=space))
    flips = np.array(FLIPS[space])
    np.testing.assert_allclose(volume.direction * volume.spacing, flips[:, None] * STEPS, atol=1e-9)
    np.testing.assert_allclose(volume.origin, flips * (1, 2, 3))
    assert np.array_equal(volume.array, noise) and volume.notes == ()


@pytest.mark.parametrize("header", [{}, {"spacings": [0.7, 0.8, 2.5]}])
def test_a_header_without_a_place_is_noted(tmp_path, noise, header):
    nrrd.write(str(tmp_path / "a.nrrd"), noise, header, index_order="F")
    volume = read_volume(tmp_path / "a.nrrd")
    assert volume.spacing.tolist() == header.get("spacings", [1, 1, 1])
    assert np.array_equal(volume.direction, np.eye(3)) and "does not say where" in volume.notes[0]


def test_an_unknown_space_is_noted(tmp_path, noise):
    volume = read_volume(write(tmp_path / "a.nrrd", noise, space="scanner-xyz"))
    assert "name the space" in volume.notes[0]


@pytest.mark.parametrize("kind", ["list", "vector"])
@pytest.mark.parametrize("last", [False, True])
def test_one_of_several_volumes_is_chosen_by_its_number(tmp_path, rng, kind, last):
    array = rng.integers(0, 99, (3, 5, 6, 7)).astype(np.int16)
    none = np.full((1, 3), np.nan)
    stored = np.moveaxis(array, 0, 3) if last else array
    kinds = ["domain"] * 3 + [kind] if last else [kind] + ["domain"] * 3
    steps = np.vstack([STEPS, none] if last else [none, STEPS])
    path = write(tmp_path / "a.nrrd", stored, space="LPS", kinds=kinds, **{"space directions": steps})
    with refused("several-components", names=["3 volumes of 5 x 6 x 7", "a.nrrd#1"]):
        read_volume(path)
    for n in range(3):
        volume = read_volume(f"{path}#{n + 1}")
        assert np.array_equal(volume.array, array[n]) and volume.name == f"a-{n + 1}"
        np.testing.assert_allclose(volume.direction * volume.spacing, STEPS)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_wide_integers_are_narrowed(tmp_path, noise, suffix):
    write_volume(Volume(noise.astype(np.int64)), tmp_path / f"a{suffix}")
    assert read_volume(tmp_path / f"a{suffix}").array.dtype == np.int32
    write_volume(Volume(noise.astype(np.int64) + 2**40), tmp_path / f"b{suffix}")
    assert "float32" in read_volume(tmp_path / f"b{suffix}").notes[0]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"ElementDataFile = LOCAL", b"ElementDataFile = a%s%d.raw", "voxels-elsewhere"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = ../../b.raw", "voxels-elsewhere"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = LIST", "voxels-elsewhere"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = ", "voxels-elsewhere"),
        (b"DimSize = 9 8 7", b"DimSize = 9 0 7", "image-unreadable"),
        (b"DimSize = 9 8 7", b"DimSize = 9 8", "image-unreadable"),
        (b"NDims = 3", b"NDims = 0", "image-unreadable"),
        (b"NDims = 3", b"NDims = \x01", "image-unreadable"),
        (b"ElementDataFile", b"SomethingElse", "image-unreadable"),
    ],
)
def test_metaimage_headers_that_itk_should_not_see(tmp_path, noise, old, new, code):
    path = tmp_path / "a.mha"
    write_volume(Volume(noise), path, compress=False)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    with refused(code, names="a.mha"):
        read_volume(path)


def test_a_header_whose_voxels_are_gone_is_refused(tmp_path, noise):
    write_volume(Volume(noise), tmp_path / "a.mhd", compress=False)
    (tmp_path / "a.raw").unlink()
    with refused("voxels-elsewhere", names="a.raw"):
        read_volume(tmp_path / "a.mhd")


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.hdr", "a.nrrd", "a.mha", "a.mhd", "a.png", "a.jpg", "a.dcm", "series"]
)
@pytest.mark.parametrize("reader", [read_volume, read_labels])
def test_every_format_passes_the_guards_once(tmp_path, noise, monkeypatch, name, reader):
    path = tmp_path / name
    if name in ("a.nii", "a.nii.gz", "a.hdr"):
        import nibabel

        write_nifti(path, noise, kind=nibabel.Nifti1Pair if name == "a.hdr" else nibabel.Nifti1Image)
    elif name.endswith((".png", ".jpg")):
        Image.fromarray(noise[..., 0].astype(np.uint8)).save(path)
    elif name == "a.dcm":
        write_dicom(path, noise[..., 0])
    elif name == "series":
        path.mkdir()
        write_dicom(path / "1", noise[..., 0])
    else:
        write_volume(Volume(noise), path)
    reader(path)
    seen = []

    def refuse(file, header):
        seen.append((file, header.bytes))
        raise VolumeError(file, "is not let in", "Ask", code="guarded")

    monkeypatch.setattr(guards, "check", refuse)
    with refused("guarded", names=name):
        reader(path)
    assert len(seen) == 1 and seen[0][1] > 0
