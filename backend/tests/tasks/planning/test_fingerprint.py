"""A training set in numbers, on sets of which every number is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medssl.core.protocol import DataSpec
from medssl.datasets.cache.filling import fill
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.images.segment_classes import find_classes
from medssl.tasks.planning.fingerprint import Fingerprint, take_fingerprint


@pytest.fixture
def pairs(tmp_path: Path):
    """Three volumes of 20 × 30 × 10 voxels of 1 × 1 × 3 mm; value 1 in 4 × 5 × 2 voxels of each, 2 in one voxel of the first."""
    rows = ["image,patient,mask,modality"]
    for n in range(3):
        image, labels = np.full((20, 30, 10), -500, np.int16), np.zeros((20, 30, 10), np.uint8)
        image[0] = -1000
        labels[3:7, 4:9, 2:4] = 1
        image[3:7, 4:9, 2:4] = 100 + n
        if n == 0:
            labels[15, 20, 5], image[15, 20, 5] = 2, 300
        for name, array in (("image", image), ("mask", labels)):
            picture = sitk.GetImageFromArray(array.T)
            picture.SetSpacing((1.0, 1.0, 3.0))
            sitk.WriteImage(picture, str(tmp_path / f"{name}{n}.nrrd"))
        rows.append(f"image{n}.nrrd,p{n},mask{n}.nrrd,CT")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    catalog = read_catalog(DataSpec(path=str(tmp_path / "set.csv")), tmp_path / "home")
    return fill(VolumeCache(tmp_path / "cache"), catalog, lambda text: None, masks=True)


def test_numbers_of_a_known_set(pairs):
    classes = find_classes([mask.values for mask in pairs.masks])
    found = take_fingerprint(pairs.images, pairs.masks, classes)
    assert (found.images, found.shape, found.voxels) == (3, (20, 30, 10), 3 * 6000)
    assert found.spacing == (1.0, 1.0, 3.0) and found.modality == "CT"
    assert list(found.class_voxels.values()) == [40, 1] and list(found.class_images.values()) == [3, 1]
    low, middle, high = found.intensities
    assert 100 <= low < 101 <= middle < 102 <= high <= 300  # not the air, nor the tissue around
    assert Fingerprint.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_on_another_grid_sizes_follow(pairs):
    classes = find_classes([mask.values for mask in pairs.masks])
    found = take_fingerprint(pairs.images, pairs.masks, classes, (2.0, 1.0, 1.5))
    assert found.shape == (10, 30, 20) and found.spacing == (2.0, 1.0, 1.5)
    assert found.voxels == 3 * 6000 and list(found.class_voxels.values()) == [40, 1]


def test_a_set_without_labels_has_no_intensities(pairs, monkeypatch):
    classes = find_classes([mask.values for mask in pairs.masks])
    monkeypatch.setattr(type(pairs.masks[0]), "places", lambda self: np.empty((0, 4), np.int32))
    found = take_fingerprint(pairs.images, pairs.masks, classes)
    assert found.intensities == () and set(found.class_images.values()) == {0}
