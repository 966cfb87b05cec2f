from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import labels_of, volume, write_pair
from phantoms import chest, stored
from PIL import Image
from refusals import refused

from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.loader import micro_batches
from medssl.datasets.crops.radiograph_segmentation import RadiographSegmentationDataset
from medssl.datasets.crops.segmentation_crops import SegmentationDataset
from medssl.datasets.crops.slices import SliceDataset, slice_stack
from medssl.datasets.entry import Entry
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise
from medssl.images.segment_classes import find_classes, read_classes
from medssl.inference.volumes.slabs import slabs
from medssl.inference.volumes.sliding import reader

CLASSES = read_classes("2=Spot,5=Box")
AUTO = NormalisationConfig()
SIZE = (16, 12, 8)


def cubes(pairs, share=0.5, seed=0, size=SIZE, classes=CLASSES) -> SegmentationDataset:
    return SegmentationDataset(*pairs, classes, size, AUTO, share, seed)


def slices(pairs, share=0.5, seed=0, size=(12, 16), context=0) -> SliceDataset:
    return SliceDataset(*pairs, CLASSES, size, AUTO, share, seed, context=context)


@pytest.fixture(params=["cubes", "slices", "2.5d"])
def make(request):
    return {"cubes": cubes, "slices": slices, "2.5d": lambda *a, **k: slices(*a, context=1, **k)}[request.param]


def test_sample_is_a_function_of_seed_and_number(cached_pairs, make):
    one, two, other = make(cached_pairs), make(cached_pairs), make(cached_pairs, seed=1)
    numbers = [10**9 + 3, 2, 7, 0, 7]
    forwards = [one[n] for n in numbers]
    backwards = [two[n] for n in reversed(numbers)][::-1]
    for a, b in zip(forwards, backwards):
        assert all(torch.equal(torch.as_tensor(a[name]), torch.as_tensor(b[name])) for name in a)
    assert any(not torch.equal(one[n]["start"], other[n]["start"]) for n in range(5))


def test_cube_and_labels_lie_where_they_say(cached_pairs):
    dataset = cubes(cached_pairs)
    for n in range(20):
        sample = dataset[n]
        box = tuple(slice(s, s + length) for s, length in zip(sample["start"].tolist(), SIZE))
        image = volume(seed=sample["volume"])
        assert np.array_equal(sample["raw"][0].numpy(), image.array[box])
        assert np.array_equal(CLASSES.values_of(sample["mask"][0].numpy()), labels_of(image)[box])
        assert sample["raw"].dtype == torch.int16 and sample["mask"].dtype == torch.uint8
        assert sample["window"].shape == (2,) and sample["window"][0] < sample["window"][1]


def test_share_of_cubes_with_each_class(cached_pairs):
    masks = [cubes(cached_pairs, share=1.0)[n]["mask"] for n in range(60)]
    spots = sum(bool((mask == 1).any()) for mask in masks)
    assert all(mask.any() for mask in masks) and 15 < spots < 45  # a single voxel is as likely as the box
    never = [cubes(cached_pairs, share=0.0)[n]["mask"] for n in range(60)]
    assert sum(bool(mask.any()) for mask in never) < 30


def test_volume_smaller_than_the_cube_lies_in_its_middle(cached_pairs):
    sample = cubes(cached_pairs, size=(48, 48, 33))[1]
    image = volume(seed=sample["volume"])
    inside = slice(4, 44), slice(6, 42), slice(2, 30)
    assert np.array_equal(sample["raw"][0].numpy()[inside], image.array) and sample["start"].tolist() == [-4, -6, -2]
    assert np.array_equal(CLASSES.values_of(sample["mask"][0].numpy()[inside]), labels_of(image))
    around = torch.ones(48, 48, 33, dtype=torch.bool)
    around[inside] = False
    assert (sample["raw"][0][around] == image.array.min()).all() and not sample["mask"][0][around].any()


def test_in_jobs_begun_before_it_lies_in_the_first_corner(cached_pairs):
    sample = SegmentationDataset(*cached_pairs, CLASSES, (48, 48, 33), AUTO, 0.5, 0, centred=False)[1]
    image = volume(seed=sample["volume"])
    assert np.array_equal(sample["raw"][0, :40, :36, :28].numpy(), image.array) and sample["start"].tolist() == [0] * 3
    flat = SliceDataset(*cached_pairs, CLASSES, (48, 48), AUTO, 0.5, 0, centred=False)[1]
    assert flat["start"][:2].tolist() == [0, 0]


@pytest.mark.parametrize("size", [(48, 48, 33), (48, 47), (40, 48, 28), (48, 36)])
def test_a_small_volume_is_trained_on_as_it_is_seen_when_whole_images_are_segmented(cached_pairs, size):
    flat = len(size) == 2
    sample = slices(cached_pairs, size=size[::-1])[3] if flat else cubes(cached_pairs, size=size)[3]
    image, seen = volume(seed=sample["volume"]), []

    def network(windows):
        seen.extend(windows)
        return windows

    low, high = sample["window"].tolist()
    read = reader(image.array, torch.device("cpu"), (low, high))
    list(slabs(read, image.array.shape, network, (*size, 1)[:3]))
    trained = normalise(sample["raw"][None], sample["window"][None])[0]
    whole = seen[int(sample["start"][2])][..., 0].transpose(1, 2) if flat else seen[0]
    assert torch.allclose(trained, whole, atol=1e-6) and (flat or len(seen) == 1)


def test_slices_are_transposed_and_know_their_neighbours(cached_pairs):
    dataset = slices(cached_pairs, context=1)
    for n in range(20):
        sample = dataset[n]
        y, x, k = sample["start"].tolist()
        image = volume(seed=sample["volume"])
        box = slice(x, x + 16), slice(y, y + 12)
        for channel, near in enumerate((k - 1, k, k + 1)):
            expected = image.array[(*box, min(max(near, 0), 27))].T
            assert np.array_equal(sample["raw"][channel].numpy(), expected)
        assert np.array_equal(CLASSES.values_of(sample["mask"][0].numpy()), labels_of(image)[(*box, k)].T)


@pytest.mark.parametrize(("k", "expected"), [(0, [0, 0, 1]), (27, [26, 27, 27]), (9, [8, 9, 10])])
def test_the_last_slice_is_repeated_beyond_the_end(cached_pairs, k, expected):
    stack = slice_stack(cached_pairs[0][0], (4, 5), (6, 7), k, 1)
    whole = volume(seed=0).array
    assert np.array_equal(stack, np.stack([whole[5:12, 4:10, n].T for n in expected]))


def test_batches_and_the_way_to_a_worker(cached_pairs):
    dataset = cubes(cached_pairs)
    (batch,) = micro_batches(dataset, [[5, 3]])
    assert batch["mask"].shape == (2, 1, *SIZE) and batch["mask"].dtype == torch.uint8
    sent = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(sent[3]["mask"], batch["mask"][1]) and torch.equal(sent[5]["raw"], batch["raw"][0])


def test_unsuited_pairs_are_refused_before_the_first_cube(cached_pairs, make, tmp_path):
    images, masks = cached_pairs
    with refused("label-value-unknown", names=["label map of p0 with the value 5", "0 (background), 2 (Spot)"]):
        cubes(cached_pairs, classes=read_classes("2=Spot"))
    with refused("grid-mismatch", names="(40, 36, 27)"):
        make((images, [replace(masks[0], shape=(40, 36, 27)), masks[1]]))
    with refused("not-3d", names="p0 of shape (40, 36)"):
        make(([replace(images[0], shape=(40, 36)), images[1]], masks))
    with refused("no-images"):
        make(([], []))


@pytest.fixture
def radiographs(tmp_path):
    """A wide and a tall radiograph with lungs of 255, in a cache."""
    cache, pairs = VolumeCache(tmp_path / "cache"), []
    for n, (width, height) in enumerate(((200, 240), (300, 150))):
        image = chest(width, height)
        lungs = np.where((image > 0.2) & (image < 0.3), 255, 0).astype(np.uint8)
        paths = [tmp_path / f"{n}{kind}.png" for kind in ("", "-mask")]
        for path, pixels in zip(paths, (stored(image, 8), lungs)):
            Image.fromarray(pixels.T).save(path)
        entry = Entry(paths[0], f"p{n}", name=f"p{n}", mask=paths[1])
        picture = cache.add(entry)
        pairs.append((picture, cache.add_mask(entry, picture)))
    return tuple(map(list, zip(*pairs)))


def test_radiographs_and_labels_are_resized_alike(radiographs):
    classes = find_classes([mask.values for mask in radiographs[1]])
    assert classes.values == (255,)
    dataset = RadiographSegmentationDataset(*radiographs, classes, 70, AUTO, seed=0)
    starts = set()
    for n in range(12):
        sample = dataset[n]
        assert sample["raw"].shape == sample["mask"].shape == (1, 70, 70) and sample["raw"].dtype == torch.int16
        low, high = sample["window"].tolist()
        grey = (sample["raw"][0].numpy() - low) / (high - low)
        inside, outside = grey[sample["mask"][0].numpy() == 1], grey[sample["mask"][0].numpy() == 0]
        assert np.mean(np.abs(inside - 0.25) < 0.06) > 0.9 and np.mean(np.abs(outside - 0.25) < 0.06) < 0.1
        starts.add(tuple(sample["start"].tolist()))
    assert len(starts) > 8
    again = RadiographSegmentationDataset(*radiographs, classes, 70, AUTO, seed=0)
    assert torch.equal(again[11]["mask"], dataset[11]["mask"])


def test_real_hippocampi(shared_data, tmp_path):
    root, cache = shared_data / "mr-hippocampus", VolumeCache(tmp_path / "cache")
    entries = [
        Entry(
            root / "images" / f"{name}.nii.gz", name, modality="MR", name=name, mask=root / "labels" / f"{name}.nii.gz"
        )
        for name in ("hippocampus_001", "hippocampus_004")
    ]
    images = [cache.add(entry) for entry in entries]
    masks = [cache.add_mask(entry, image) for entry, image in zip(entries, images)]
    dataset = cubes(
        (images, masks), size=(32, 48, 32), share=1.0, classes=find_classes([mask.values for mask in masks])
    )
    batch = next(micro_batches(dataset, [[0, 1, 2, 3]]))
    assert batch["mask"].unique().tolist() == [0, 1, 2]
    assert not np.array_equal(labels_of(volume()), batch["mask"][0])
    other = write_pair(tmp_path, "x", volume(), labels_of(volume()))
    with refused("grid-mismatch", names="35 x 51 x 35"):
        cache.add_mask(replace(entries[0], mask=other.mask), images[0])
