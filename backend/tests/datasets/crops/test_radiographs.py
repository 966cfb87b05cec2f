"""Training crops of radiographs: functions of their number, pixel for pixel where the rule says."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from phantoms import chest, stored
from PIL import Image
from refusals import refused

from medssl.core.errors import CatalogError, ResourceError
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.loader import collate, micro_batches
from medssl.datasets.crops.radiograph_crops import RadiographDataset, prepared
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.volume import Volume

CELL, SIDE = 8, 8 * 18
AUTO = NormalisationConfig()


@pytest.fixture
def images(cached):
    """Five, each with a grey square elsewhere; two wide, one of 12 bits, one with a border."""
    volumes = []
    for n in range(5):
        image = chest(260 if n % 2 else 200, 220)
        image[30 * n + 20 : 30 * n + 40, 50:80] = 0.5
        image = np.pad(image, 20) if n == 3 else image
        volumes.append(cached(Volume(stored(image, 12 if n == 2 else 8)), name=f"v{n}"))
    return volumes


def make(images, seed=0, cell=CELL, normalisation=AUTO) -> RadiographDataset:
    return RadiographDataset(images, cell, normalisation, seed)


def test_sample_is_a_function_of_seed_and_number(images):
    one, two, other = make(images), make(images), make(images, seed=1)
    numbers = [10**9 + 3, 2, 7, 0, 7]
    for n in numbers:
        a, b = one[n], two[n]
        assert torch.equal(a["raw"], b["raw"]) and a["volume"] == b["volume"] and a["index"] == n
    reverse = [make(images)[n]["raw"] for n in reversed(numbers)][::-1]
    assert all(torch.equal(one[n]["raw"], raw) for n, raw in zip(numbers, reverse))
    assert any(not torch.equal(one[n]["raw"], other[n]["raw"]) for n in numbers)


def test_every_cycle_visits_each_image_once(images):
    dataset = make(images)
    cycles = [[dataset[5 * c + n]["volume"] for n in range(5)] for c in range(4)]
    assert all(sorted(cycle) == [0, 1, 2, 3, 4] for cycle in cycles) and len({tuple(cycle) for cycle in cycles}) > 1


def test_a_crop_shows_what_the_rule_says(images, tmp_path):
    dataset = make(images)
    for n in range(10):
        sample = dataset[n]
        y, x = sample["start"].tolist()
        assert sample["raw"].shape == (1, SIDE, SIDE) and sample["raw"].dtype == torch.int16
        source = as_radiograph(read_volume(tmp_path / f"v{sample['volume']}.nrrd"))
        whole = resized(source.pixels, 19 * CELL)
        top, left = ((length - 19 * CELL) // 2 for length in whole.shape)
        literal = whole[top + y : top + y + SIDE, left + x : left + x + SIDE]
        seen = normalise(sample["raw"][None], sample["window"][None])[0, 0].numpy()
        clipped = (
            2e-4 if source.window == (0, 255) else 0.02
        )  # percentiles are clipped before or after the mean of an area
        assert np.abs(seen - literal).max() < clipped


def test_offsets_are_uniform_below_a_cell(images):
    starts = np.array([make(images)[n]["start"].tolist() for n in range(400)])
    assert starts.min() == 0 and starts.max() == CELL - 1
    counts = np.stack([np.bincount(starts[:, axis], minlength=CELL) for axis in (0, 1)])
    assert counts.min() > 20 and counts.max() < 85  # 50 expected
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.2


@pytest.mark.parametrize("cell", [4, 16, 32])
def test_cells_of_any_size(images, cell):
    sample = make(images, cell=cell)[3]
    assert sample["raw"].shape == (1, 18 * cell, 18 * cell)


def test_normalisation_is_no_part_of_what_is_kept(images):
    first = make(images)[2]
    kept = sorted(images[0].path.parent.iterdir())
    other = make(images, normalisation=NormalisationConfig(lower_percentile=10.0, upper_percentile=90.0))
    assert sorted(images[0].path.parent.iterdir()) == kept and torch.equal(other[2]["raw"], first["raw"])
    twelve = other.windows[2]
    assert twelve[0] > make(images).windows[2][0] and twelve[1] < make(images).windows[2][1]


def test_collate_and_workers(images):
    lists = [[0, 1], [9, 4], [2, 2]]
    alone = list(micro_batches(make(images), lists))
    helped = list(micro_batches(make(images), lists, workers=2))
    for numbers, a, b in zip(lists, alone, helped, strict=True):
        assert a["index"].tolist() == numbers and a["raw"].shape == (2, 1, SIDE, SIDE) and a["start"].shape == (2, 2)
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert len(pickle.dumps(make(images))) < 50_000
    assert collate([make(images)[0]])["raw"].dtype == torch.int16


def _prepared(volume):
    return prepared(volume, 152).copy()


def test_processes_prepare_an_image_once(images):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(_prepared, [images[0]] * 4)
    assert all(np.array_equal(result, results[0]) for result in results)
    assert len(list(images[0].path.parent.glob("*-152.npy"))) == 1


def test_a_sample_reads_the_prepared_image_alone(images):
    dataset = make(images)
    first = [dataset[n]["raw"] for n in range(5)]
    for volume in images:
        volume.path.unlink()
    assert all(torch.equal(dataset[n]["raw"], raw) for n, raw in enumerate(first))


def test_full_disk_leaves_no_half_image(images, small_files_only):
    with small_files_only(20_000), pytest.raises(ResourceError):
        prepared(images[0], 152)
    assert not list(images[0].path.parent.glob("*152.npy*"))
    assert prepared(images[0], 152).shape == (152, 152)


def test_views_and_inversion_have_their_own_place_in_the_cache(tmp_path, ct):
    path = tmp_path / "ct.nrrd"
    slab = np.repeat(np.repeat(ct.array, 3, axis=0), 3, axis=1)
    write_volume(Volume(slab), path)
    cache = VolumeCache(tmp_path / "cache")
    entries = [
        Entry(path, "p", view=view, inverted=inverted) for view, inverted in (("k:9", 0), ("k:10", 0), ("k:10", 1))
    ]
    planes = [cache.add(entry) for entry in entries]
    assert len({plane.path for plane in planes}) == 3 and all(plane.shape == (120, 108) for plane in planes)
    assert [plane.modality for plane in planes] == ["CT"] * 3
    assert np.array_equal(planes[1].crop((0, 0), (120, 108)), slab[..., 10])
    assert make(planes[:2])[0]["raw"].shape == (1, SIDE, SIDE)


def test_inverted_images_are_prepared_as_their_originals(tmp_path):
    image = stored(0.2 + 0.5 * chest(), 8)
    squares = []
    for name, pixels, inverted in (("a", image, False), ("b", 255 - image, True)):
        Image.fromarray(pixels.T).save(tmp_path / f"{name}.png")
        volume = VolumeCache(tmp_path / "cache").add(Entry(tmp_path / f"{name}.png", "p", inverted=inverted))
        squares.append(make([volume])[0]["raw"])
    assert torch.equal(*squares)


def test_unsuited_images_are_refused_before_the_first_crop(cached, ct):
    with refused("not-2d", names="ct of shape (40, 36, 28)") as caught:
        make([cached(ct, name="ct")])
    assert "frontal" in caught.value.remedy and "k:57" in caught.value.remedy
    for array, code in (
        (np.full((90, 90), 9, np.uint8), "image-constant"),
        (stored(chest(60, 70), 8), "image-too-small"),
        (stored(chest(70, 300), 8), "image-too-long"),
        ((chest() > 0.5).astype(np.uint8), "image-without-contrast"),
    ):
        with refused(code, names=code):
            make([cached(Volume(array), name=code)])
    with refused("modality-mismatch", names="of modality CXR"):
        make([cached(Volume(stored(chest(), 8)), name="x")], normalisation=NormalisationConfig("ct"))
    with pytest.raises(CatalogError):
        make([])
