"""Images with label maps, small enough for the tests of what a task learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medssl.datasets.entry import Entry
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume

TURNED = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def volume(shape=(40, 36, 28), seed=0) -> Volume:
    """An MR-like volume, oblique in space, every voxel unlike its neighbours."""
    array = np.random.default_rng(seed).integers(10, 900, shape).astype(np.int16)
    return Volume(array, (0.7, 0.8, 2.5), (-10, 20, 30), TURNED, modality="MR", name="mr")


def labels_of(image: Volume) -> np.ndarray:
    """Label 5 in one corner (a 6 x 6 x 6 box), label 2 in a single voxel; uint8."""
    labels = np.zeros(image.shape, np.uint8)
    labels[2:8, 3:9, 20:26] = 5
    labels[30, 30, 4] = 2
    return labels


def write_pair(folder: Path, name: str, image: Volume, labels: np.ndarray, patient: str = "") -> Entry:
    """Write an image and its label map."""
    paths = folder / "images" / f"{name}.nrrd", folder / "labels" / f"{name}.nrrd"
    for path, written in zip(paths, (image, image.with_array(labels))):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(written, path)
    return Entry(paths[0], patient or name, modality="MR", name=name, mask=paths[1])
