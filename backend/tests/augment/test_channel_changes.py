"""Augmentation of several channels: moved alike, their intensities changed each by its own draw."""

from __future__ import annotations

import pytest
import torch

from medssl.augment import Augmentation


def twins(count: int = 6) -> torch.Tensor:
    """(N, 2, i, j, k): both channels show the same image."""
    one = torch.rand(count, 1, 12, 12, 12, generator=torch.Generator().manual_seed(1))
    return one.expand(-1, 2, -1, -1, -1).contiguous()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_all_channels_are_moved_alike():
    changes = Augmentation("strong", 3, channels=2)
    drawn = changes.draw(twins(), generator())
    assert bool(drawn.space.moved.any())
    moved = changes.warp.apply(twins(), drawn.space)
    torch.testing.assert_close(moved[:, 0], moved[:, 1], rtol=0, atol=0)


@pytest.mark.parametrize(("channels", "alike"), [(2, False), (1, True)])
def test_intensities_are_drawn_for_each_image(channels, alike):
    """Neighbouring slices are channels of one image: there every draw is for all of them, as it always was."""
    changes = Augmentation("light", 3, channels=channels)
    changes.intensity.distortions = tuple(d for d in changes.intensity.distortions if d.distortion.name != "noise")
    images, _masks = changes(twins(), None, generator())
    same = torch.equal(images[:, 0], images[:, 1])
    assert same == alike and images.shape == twins().shape


def test_one_image_of_several_samples_is_the_same_law():
    """Two channels of a sample get what two samples of one channel would."""
    changes = Augmentation("light", 3, channels=2), Augmentation("light", 3)
    apart = twins().reshape(-1, 1, 12, 12, 12)
    together, _ = changes[0](twins(), None, generator())
    single, _ = changes[1](apart, None, generator())
    torch.testing.assert_close(together.reshape(apart.shape), single, rtol=0, atol=0)
