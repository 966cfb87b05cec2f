"""Mirrored copies are averaged for models alone that learnt from mirrored images; others answer them with noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from asking import Context, ask
from inspection_fakes import make_ct
from refusals import refused
from segment_fakes import Levels

from medssl.augment import Augmentation, mirrors
from medssl.augment.augmentation import LEVELS
from medssl.inference.mirroring import check_mirror, trained_mirrored
from medssl.inference.volumes.segmenter import segment_image
from medssl.tasks.earlier_augmentation import SampleAugmentation

SAYS = {"nothing": {}, "trained without": {"mirrored": False}, "trained with": {"mirrored": True}}


@pytest.mark.parametrize("says", SAYS)
def test_an_uncertainty_map_changes_the_labels_of_no_model_that_never_saw_a_mirrored_image(says):
    """Sided knows the low half of the windows it was trained on: mirrored copies blot it out."""

    class Sided(Levels):
        def forward(self, x):
            self.calls += 1
            place = torch.linspace(-1, 1, x.shape[2])[None, None, :, None, None].expand_as(x)
            one = torch.where(place < -0.5, 3.0, -9.0) * self.weight
            return torch.cat([torch.zeros_like(x), one, torch.full_like(x, -30.0)], dim=1)

    image = make_ct((16, 16, 8))
    net = Sided(**SAYS[says])
    plain, watched = segment_image(image, net), segment_image(image, net, uncertainty=True)
    assert (plain.labels.array[:4] == 3).all() and (plain.labels.array[4:] == 0).all()
    alike = np.array_equal(watched.labels.array, plain.labels.array)
    assert alike == (says != "trained with") and watched.uncertainty.array.max() > 0
    notes = " ".join(watched.notes)
    assert ("8 mirrored copies" in notes) == (says == "trained with")
    assert ("does not say" in notes) == (says == "nothing")
    assert ("trained without mirrored images" in notes) == (says == "trained without")


def test_who_asks_for_mirrored_copies_of_such_a_model_is_refused(tmp_path):
    request = {"volume": {"path": "scan"}, "model": "m", "mirror": True}
    with refused("trained-without-mirroring", ["mirror = True", "learnt from none", "augmentation=strong"]):
        ask("segment", request, Context(tmp_path / "refused", make_ct(), Levels(mirrored=False)))
    for says, in_doubt in (("nothing", True), ("trained with", False)):
        ask("segment", request, context := Context(tmp_path / says, make_ct(), Levels(**SAYS[says])))
        assert any("better without them" in note for note in context.found.info["notes"]) == in_doubt
    check_mirror(Levels(mirrored=False).plan, False)
    assert [trained_mirrored(Levels(**task).plan) for task in SAYS.values()] == [None, False, True]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("allowed", [False, True])
def test_what_a_file_says_is_what_training_does(level, allowed):
    images = torch.rand(64, 1, 8, 8, 8)
    warp = Augmentation(level, axes=3, mirror=allowed).warp
    flips = warp is not None and bool(warp.draw(images, torch.Generator().manual_seed(0)).flips.any())
    assert mirrors(level, allowed) == flips
    if level != "moderate":  # came later
        steps = SampleAugmentation(level, 3, allowed)._steps
        names = [type(one).__name__ for one in steps.transforms] if steps else []
        assert mirrors(level, allowed) == ("RandFlipd" in names)
