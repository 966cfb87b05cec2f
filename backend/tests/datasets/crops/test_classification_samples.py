from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import volume
from phantoms import chest, stored
from refusals import refused

from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.classification_images import BalancedOrder, ClassificationDataset, class_groups, enlarged
from medssl.datasets.crops.loader import micro_batches
from medssl.datasets.crops.radiograph_crops import prepared
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import write_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise
from medssl.images.resizing import nearest, resized_to
from medssl.images.volume import Volume

AUTO = NormalisationConfig()
NAN = float("nan")


@pytest.fixture
def cache(tmp_path):
    """Put an image into a cache: cache(volume, name)."""

    def put(image: Volume, name: str):
        write_volume(image, tmp_path / f"{name}.nrrd")
        entry = Entry(tmp_path / f"{name}.nrrd", name, modality=image.modality, name=name)
        return VolumeCache(tmp_path / "cache").add(entry)

    return put


@pytest.fixture
def radiographs(cache):
    sizes = ((200, 240), (240, 200), (180, 300), (200, 200))
    return [cache(Volume(stored(chest(*s), 8), modality="CXR"), f"r{n}") for n, s in enumerate(sizes)]


def make(images, targets=((1,), (0,), (0,), (NAN,)), size=(56, 56), **settings) -> ClassificationDataset:
    return ClassificationDataset(images, np.array(targets), size, AUTO, settings.pop("seed", 0), **settings)


def test_crops_of_the_centre_square(radiographs):
    dataset, starts = make(radiographs), set()
    for n in range(16):
        sample = dataset[n]
        y, x = sample["start"].tolist()
        square = prepared(radiographs[sample["volume"]], 64)
        assert np.array_equal(sample["raw"][0].numpy(), square[y : y + 56, x : x + 56])
        starts.add((y, x))
    assert len(starts) > 8 and all(0 <= v <= 8 for start in starts for v in start)


def test_not_training_takes_the_centre(radiographs):
    dataset = make(radiographs, training=False, seed=5)
    assert all(dataset[n]["start"].tolist() == [4, 4] for n in range(8))


def test_targets_go_with_their_images(radiographs):
    dataset = make(radiographs)
    seen = {sample["volume"]: sample["target"].tolist() for sample in (dataset[n] for n in range(4))}
    assert seen[0] == [1] and seen[1] == seen[2] == [0] and np.isnan(seen[3][0])
    batch = next(micro_batches(dataset, [[0, 1, 2, 3]]))
    assert batch["target"].shape == (4, 1) and batch["target"].dtype == torch.float32


def test_sample_is_a_function_of_seed_and_number(radiographs):
    one, two, other = make(radiographs), make(radiographs), make(radiographs, seed=1)
    for n in (10**9, 3, 0):
        assert torch.equal(one[n]["raw"], two[n]["raw"])
    assert any(one[n]["volume"] != other[n]["volume"] for n in range(8))


def test_volumes_are_resized_whole(cache):
    images = [cache(volume((40, 36, 28), seed=n), f"v{n}") for n in range(2)]
    dataset = make(images, ((1, 0), (0, 1)), (28, 21, 14), training=False)
    sample = dataset[0]
    assert sample["raw"].shape == (1, 28, 21, 14) and sample["start"].tolist() == [2, 1, 1]
    scaled = normalise(sample["raw"][None], sample["window"][None])[0, 0].numpy()
    image = images[sample["volume"]]
    whole = resized_to(volume((40, 36, 28), seed=sample["volume"]).array, (32, 24, 16))[2:30, 1:22, 1:15]
    low, high = image.statistics.percentile(0.5), image.statistics.percentile(99.5)
    expected = ((whole - low) / (high - low)).clip(0, 1)
    assert np.abs(scaled - expected).max() < 1e-3


def test_balanced_classes():
    targets = np.array([[1, 0]] * 90 + [[0, 1]] * 6 + [[1, 1]] + [[0, 0]] * 3, np.float32)
    groups = class_groups(targets)
    assert [len(g) for g in groups] == [91, 7, 3]
    drawn = np.array([BalancedOrder(0, groups)[n] for n in range(273)])
    assert np.isin(drawn, np.arange(97, 100)).sum() == 91  # a third shows nothing
    assert np.bincount(drawn)[97:].min() >= 30 and len(set(drawn[drawn < 90])) > 75


def test_images_that_may_show_a_class_are_no_negatives_and_those_without_labels_are_left_out():
    targets = np.array([[1, NAN], [0, 0], [NAN, NAN], [0, NAN], [0.2, 0.3], [NAN, 1], [NAN, NAN]])
    assert [group.tolist() for group in class_groups(targets)] == [[0], [5], [1, 4], [3]]
    assert [group.tolist() for group in class_groups(targets[:, :1])] == [[0], [1, 3, 4]]


def test_balance_never_draws_an_image_without_labels(radiographs):
    dataset = make(radiographs, balance="classes")
    drawn = [dataset[n]["volume"] for n in range(20)]
    assert set(drawn) == {0, 1, 2} and drawn.count(0) == 10


def test_balance_as_a_setting(radiographs):
    dataset = make(radiographs[:3], ((1,), (0,), (0,)), balance="classes")
    batch = [dataset[n]["target"].item() for n in range(20)]
    assert batch.count(1) == 10
    assert [make(radiographs[:3], ((1,), (0,), (0,)))[n]["target"].item() for n in range(21)].count(1) == 7


def test_unsuited_images_are_refused(radiographs, cache):
    with refused("not-2d"):
        make([cache(volume(), "v")], ((1,),))
    with refused("not-3d"):
        make(radiographs, size=(28, 28, 28))
    with refused("image-constant", names="flat, 3 everywhere"):
        make([cache(replace(volume(), array=np.full((9, 9, 9), 3, np.int16)), "flat")], ((1,),), (7, 7, 7))
    with refused("no-images"):
        make([], np.zeros((0, 1)))


def test_enlarged_is_what_ten_crops_need():
    assert enlarged((224, 224)) == (256, 256)


def test_resizing_keeps_means_and_labels():
    array = np.random.default_rng(0).random((20, 12, 9)).astype(np.float32)
    assert resized_to(array, (5, 4, 3)).mean() == pytest.approx(array.mean(), rel=1e-5)
    assert np.allclose(resized_to(array, (5, 4, 3))[0, 0, 0], array[:4, :3, :3].mean(), atol=1e-6)
    assert np.array_equal(resized_to(array, array.shape), array)
    labels = np.kron(np.arange(6).reshape(2, 3), np.ones((4, 4), int))
    assert np.array_equal(nearest(labels, (2, 3)), np.arange(6).reshape(2, 3))
    assert np.array_equal(nearest(np.arange(6).reshape(2, 3), (8, 12)), labels)
