"""Several channels in the cache and in crops: the same box of each, each in its own intensities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import labels_of, volume, write_pair
from refusals import refused

from medssl.core.geometry import Geometry
from medssl.datasets.cache.channel_notes import channel_notes
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.loader import collate
from medssl.datasets.crops.segmentation_crops import SegmentationDataset
from medssl.datasets.entry import Entry, read_entry
from medssl.images.channels.onto import onto
from medssl.images.formats.reading import write_volume
from medssl.images.geometry import reorient
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise, resolve
from medssl.images.segment_classes import find_classes

SIZE = (16, 16, 8)
RULES = resolve(NormalisationConfig(), "MR"), resolve(NormalisationConfig(), "CT")


@pytest.fixture
def entry(tmp_path) -> Entry:
    """An oblique MR with a label map, and a CT on another grid that shows a part of it."""
    mr = volume()
    ct = replace(mr, array=(3 * mr.array - 1000).astype(np.int16), modality="CT").crop(((0, 40), (0, 36), (4, 28)))
    write_volume(ct, tmp_path / "ct.nrrd")
    first = write_pair(tmp_path, "mr", mr, labels_of(mr))
    return replace(first, further=(Entry(tmp_path / "ct.nrrd", "mr", modality="CT", name="mr"),))


@pytest.fixture
def cache(tmp_path) -> VolumeCache:
    return VolumeCache(tmp_path / "cache")


def test_a_channel_lies_on_the_grid_of_the_first(cache, entry):
    image = cache.add_channels(entry, cache.add(entry))
    (channel,) = image.further
    assert (channel.shape, channel.spacing, channel.modality) == (image.shape, image.spacing, "CT")
    stored = read_entry(entry.further[0])
    np.testing.assert_array_equal(
        channel.whole().array, onto(stored, reorient(read_entry(replace(entry, further=())))).array
    )
    assert channel.fit.outside == pytest.approx(4 / 28)
    assert channel.statistics.minimum == float(stored.array.min()), "the background that was put there does not count"
    assert channel_notes([image], ("MR", "CT"))[-1].endswith("mr 14.3%")


def test_what_is_there_is_not_made_again_and_a_changed_mask_is_measured_anew(cache, entry, tmp_path):
    image = cache.add(entry)
    made = cache.add_channels(entry, image).further[0]
    assert cache.add_channels(entry, image).further[0].path == made.path and made.fit.dice is None
    ct = read_entry(entry.further[0])
    write_volume(replace(ct, array=labels_of(volume())[:, :, 4:]), tmp_path / "ct-mask.nrrd")
    masked = replace(entry, further=(replace(entry.further[0], mask=tmp_path / "ct-mask.nrrd"),))
    assert cache.add_channels(masked, image).further[0].fit.dice == pytest.approx(1.0)


def test_all_channels_are_resampled_alike(cache, entry):
    image = cache.resampled(cache.add_channels(entry, cache.add(entry)), Geometry("LPS", (1.0, 1.0, 2.0)))
    assert image.further[0].shape == image.shape != volume().shape and image.further[0].spacing == image.spacing


def test_a_bad_channel_is_named_with_its_column(cache, entry, tmp_path):
    (tmp_path / "ct.nrrd").write_bytes(b"no image")
    with refused("image-unreadable", ["image_1", "ct.nrrd"]):
        cache.add_channels(entry, cache.add(entry))


def test_crops_are_the_same_box_of_every_channel(cache, entry, monkeypatch):
    image = cache.add_channels(entry, cache.add(entry))
    mask = cache.add_mask(entry, image)
    classes = find_classes([mask.values], ())
    dataset = SegmentationDataset([image], [mask], classes, SIZE, RULES[0], 0.5, 3, RULES[1:])
    whole = [one.whole().array for one in (image, *image.further)]
    for n in range(4):
        sample = dataset[n]
        box = tuple(slice(int(a), int(a) + side) for a, side in zip(sample["start"], SIZE))
        assert sample["raw"].shape == (2, *SIZE) and sample["raw"].dtype == torch.int16
        for found, array in zip(sample["raw"].numpy(), whole):
            np.testing.assert_array_equal(found, array[box])
    monkeypatch.setattr(type(image), "whole", lambda self: pytest.fail("a crop reads no whole volume"))
    batch = collate([dataset[0], dataset[1]])
    assert batch["window"].shape == (2, 2, 2)
    scaled = normalise(batch["raw"], batch["window"])
    for channel in (0, 1):
        alone = normalise(batch["raw"][:, channel : channel + 1], batch["window"][:, channel])
        torch.testing.assert_close(scaled[:, channel : channel + 1], alone, rtol=0, atol=0)


def test_one_channel_is_what_it_was(cache, entry):
    image = cache.add(entry)
    mask = cache.add_mask(entry, image)
    sample = SegmentationDataset([image], [mask], find_classes([mask.values], ()), SIZE, RULES[0], 0.5, 3)[0]
    assert sample["raw"].shape == (1, *SIZE) and sample["window"].shape == (2,)
