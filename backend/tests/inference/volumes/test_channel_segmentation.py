"""A model of several channels: each in its own intensities, on the first one's grid, slab by slab; none may be missing."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from inspection_fakes import make_ct
from refusals import refused
from segment_fakes import CT, Levels, expected

from medssl.core.geometry import Geometry
from medssl.core.plan import Channel
from medssl.images.channels.onto import onto
from medssl.images.geometry import reorient
from medssl.images.volume import Volume
from medssl.inference.volumes.segmenter import class_probabilities, segment_image
from medssl.networks import capabilities_of

FIXED = {"kind": "mr-fixed", "fixed_low": 0.0, "fixed_high": 400.0}


class Second(Levels):
    """Sees two channels, and judges by the second alone."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        channels = [asdict(Channel("CT", "CT", CT)), asdict(Channel("T2", "MR", FIXED))]
        self.plan = replace(self.plan, task={**self.plan.task, "channels": channels})
        self.seen: set[int] = set()

    def forward(self, x):
        self.seen.add(x.shape[1])
        return super().forward(x[:, 1:])


@pytest.fixture
def pair() -> Volume:
    """A CT, and an MR on the same grid whose values have nothing to do with it."""
    first = make_ct()
    array = np.random.default_rng(5).integers(0, 400, first.shape).astype(np.int16)
    return replace(first, further=(replace(first, array=array, modality="MR", name="t2"),))


def test_each_channel_has_its_own_intensities(pair):
    net = Second()
    found = segment_image(pair, net)
    np.testing.assert_array_equal(found.labels.array, expected(pair.further[0].array / np.float32(400)))
    assert net.seen == {2} and found.labels.further == () and found.source.shape == pair.shape


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SLP"])
def test_the_order_of_voxels_in_either_file_does_not_matter(pair, orientation):
    stored = reorient(pair.further[0], orientation)
    found = segment_image(replace(pair, further=(stored,)), Second())
    np.testing.assert_array_equal(found.labels.array, expected(pair.further[0].array / np.float32(400)))


def test_a_channel_on_another_grid_is_resampled_onto_the_first(pair):
    channel = pair.further[0]
    part = channel.crop(((2, 24), (0, 20), (0, 12)))
    found = segment_image(replace(pair, further=(part,)), Second())
    on_grid = onto(part, pair).array
    np.testing.assert_array_equal(found.labels.array, expected(on_grid.clip(0, 400) / np.float32(400)))
    assert not found.labels.array[:2].any() and any("T2" in note for note in found.notes)


def test_channels_are_resampled_to_the_models_spacing_with_the_first(pair):
    geometry = Geometry("LPS", (1.4, 1.6, 2.5), tilt=90.0)
    alike = replace(pair, further=(replace(pair, array=(0.2 * (pair.array + 1000)).astype(np.float32), modality="MR"),))
    np.testing.assert_allclose(
        class_probabilities(alike, Second(geometry=geometry)),
        class_probabilities(replace(pair, further=()), Levels(geometry=geometry)), atol=1e-2,
    )  # fmt: skip


def test_missing_and_further_channels_are_refused_by_name(pair):
    with refused("channels-incomplete", ["CT and T2", "T2 is missing"]):
        segment_image(replace(pair, further=()), Second())
    with refused("channels-not-taken", "2 images"):
        segment_image(pair, Levels())
    with refused("channels-not-taken", "3 images"):
        segment_image(replace(pair, further=pair.further * 2), Second())


def test_a_channel_of_another_modality_is_refused_by_name(pair):
    with refused("modality-mismatch", ["T2", "CT", "MR"]):
        segment_image(replace(pair, further=(replace(pair.further[0], modality="CT"),)), Second())


def test_a_model_of_several_channels_segments_and_does_nothing_else():
    assert capabilities_of(Second().plan) == ("segment",)


def test_windows_read_slabs_not_whole_channels(pair, monkeypatch):
    from medssl.inference.volumes import sliding

    depths, build = [], sliding.reader

    def watched(*args, **options):
        read = build(*args, **options)
        return lambda first, last: depths.append(last - first) or read(first, last)

    monkeypatch.setattr("medssl.inference.volumes.channels.reader", watched)
    segment_image(pair, Second(size=(16, 16, 8)))
    assert len(depths) >= 4 and max(depths) <= 8 < pair.shape[2]
    assert torch.is_inference_mode_enabled() is False
