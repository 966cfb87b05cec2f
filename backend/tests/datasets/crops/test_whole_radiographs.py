"""Whole training radiographs: all of the image between its borders, and the shape that it had."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import chest, stored

from medssl.datasets.crops.whole_radiographs import WholeRadiographDataset
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise
from medssl.images.resizing import resized_to
from medssl.images.volume import Volume

SIDE = 48


@pytest.fixture
def images(cached):
    """A wide one, a high one, and one inside a border of 20 pixels."""
    shapes = [(260, 200), (200, 230), (200, 220)]  # columns, rows
    arrays = [np.pad(stored(chest(*shape), 8), 20 * (n == 2)) for n, shape in enumerate(shapes)]
    return [cached(Volume(array), name=f"v{n}") for n, array in enumerate(arrays)]


def make(images, seed: int = 0) -> WholeRadiographDataset:
    return WholeRadiographDataset(images, SIDE, NormalisationConfig(), seed)


def test_a_sample_is_the_whole_image_and_says_what_shape_it_had(images):
    dataset = make(images)
    for n in range(3):
        sample = dataset[n]
        volume = images[sample["volume"]]
        x0, y0, width, height = volume.box
        assert sample["raw"].shape == (1, SIDE, SIDE) and sample["raw"].dtype == torch.int16
        assert sample["extent"].tolist() == pytest.approx([height / min(height, width), width / min(height, width)])
        literal = resized_to(volume.crop((x0, y0), (width, height)).T, (SIDE, SIDE)) / 255
        seen = normalise(sample["raw"][None], sample["window"][None])[0, 0].numpy()
        assert np.abs(seen - literal).max() < 1e-3


def test_a_sample_is_a_function_of_seed_and_number_and_every_image_has_its_turn(images):
    one, two = make(images), make(images)
    order = [one[n]["volume"] for n in range(6)]
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]
    assert [two[n]["volume"] for n in reversed(range(6))] == order[::-1]
