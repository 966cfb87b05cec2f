"""One volume of a file with several, and label maps of segments, in tables, folders and the cache."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from labelled import labels_of, volume

from medssl.core.errors import CatalogError
from medssl.core.files import existing_path, split_choice
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.mask_files import with_masks
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import write_volume
from medssl.images.formats.segmentation_files import write_segmentation


@pytest.fixture
def film(tmp_path):
    array = np.random.default_rng(0).integers(0, 999, (40, 36, 28, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "film.nii.gz")
    return tmp_path / "film.nii.gz", array


def test_a_table_names_volumes_and_the_cache_keeps_them_apart(tmp_path, film):
    _, array = film
    (tmp_path / "set.csv").write_text("image,patient\nfilm.nii.gz#1,a\nfilm.nii.gz#3,b\n")
    entries = list(read_catalog(DataSpec(path=str(tmp_path / "set.csv")), tmp_path))
    assert [entry.name for entry in entries] == ["film-1", "film-3"]
    cache = VolumeCache(tmp_path / "cache")
    for entry, n in zip(entries, (0, 2)):
        held = cache.add(entry)
        crop = held.crop((0, 0, 0), held.shape)
        assert crop.sum() == array[..., n].sum()


def test_volumes_of_one_file_are_one_patient(tmp_path, film):
    refs = tuple(VolumeRef(path=f"{film[0]}#{n}") for n in (1, 2))
    entries = list(read_catalog(DataSpec(volumes=refs), tmp_path))
    assert {entry.patient for entry in entries} == {"film"} and len({entry.name for entry in entries}) == 2


def test_paths_are_made_absolute_with_their_number(film):
    assert existing_path(f"{film[0]}#2", CatalogError) == f"{film[0]}#2"
    assert split_choice(f"{film[0]}#2") == (film[0], 2) and split_choice(film[0]) == (film[0], None)
    with pytest.raises(CatalogError):
        existing_path(f"{film[0]}x#2", CatalogError)


def test_segmentations_are_found_beside_images(tmp_path):
    image = volume()
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in "ab":
        write_volume(image, tmp_path / "images" / f"{name}.nii.gz")
    segments = [{"value": 5, "name": "Box", "colour": "#102030"}, {"value": 2, "name": "Dot", "colour": "#102030"}]
    write_segmentation(image.with_array(labels_of(image)), segments, tmp_path / "labels" / "a.seg.nrrd")
    (tmp_path / "labels" / "b.dcm").write_bytes(b"")
    found = with_masks([Entry(tmp_path / "images" / f"{name}.nii.gz", name, name=name) for name in "ab"])
    assert [entry.mask.name for entry in found] == ["a.seg.nrrd", "b.dcm"]
