"""The same anatomy gives the same answer however it is stored: orders, spacings, models of earlier versions."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from inspection_fakes import CT, make_ct
from phantoms import chest, stored
from segment_fakes import Levels

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.images.geometry import reorient
from medssl.images.polarity import NOTE
from medssl.images.radiograph import as_radiograph
from medssl.images.resampling import resample, resample_slabs
from medssl.images.volume import Volume
from medssl.inference.volumes.model_grid import image_notes
from medssl.inference.volumes.restoration import restore_volume
from medssl.inference.volumes.segmenter import class_probabilities, segment_image
from medssl.networks.network import Network

ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("LR", "PA", "SI")) for letters in itertools.product(*order)
]
SEEN = Geometry("LPS", tilt=90.0, finest=(0.01,) * 3, coarsest=(99.0,) * 3)


@pytest.mark.parametrize("negative", [True, False])
def test_a_flat_image_is_judged_as_it_is_stated(negative):
    image = stored(1 - chest() if negative else chest(), 8)
    framed = np.pad(image, 30)
    noted = Volume(framed, notes=("Window ignored", NOTE) if negative else ("Window ignored",))  # as its reader left it
    plan = Plan("peac", {}, "paper", input_size=(112, 112), modality="CXR")
    for inverted in (False, True):
        notes = image_notes(noted, plan, inverted=inverted)
        assert (NOTE in notes) == (inverted is not negative)
        assert notes[0] == "Window ignored" and "Uniform borders left out" in notes[1]
        assert notes == as_radiograph(noted, inverted=inverted).notes


class Lopsided(Network):
    """A convolution whose answer depends on which way the axes run."""

    def __init__(self, channels: int, geometry: Geometry = SEEN, size=(16, 16, 8), **task) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv3d(1, channels, 5, padding=2)
        with torch.no_grad():
            self.layer.weight.mul_(6.0)
        task = (
            {"name": "segmentation", "form": "3d", "segments": Levels().plan.task["segments"], **task}
            if channels > 1
            else {}
        )
        method = "levels" if task else "genesis"
        self.plan = Plan(method, {}, "paper", CT, size, "CT", task, geometry=geometry)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return make_ct((25, 19, 13))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_probabilities_and_labels_are_the_same_in_every_storage(ct, orientation):
    stored = reorient(ct, orientation)
    for geometry in (SEEN, replace(SEEN, spacing=(1.1, 0.9, 1.7))):
        net = Lopsided(3, geometry)
        wanted = class_probabilities(ct, net)
        found = class_probabilities(stored, net)
        lead = reorient(replace(stored, array=found[1])).array  # back to the first storage
        assert wanted.shape == (3, *ct.shape) and found.shape == (3, *stored.shape)
        np.testing.assert_allclose(lead, reorient(replace(ct, array=wanted[1])).array, atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-5)
        labels = segment_image(stored, net).labels
        same = reorient(labels).array == reorient(segment_image(ct, net).labels).array
        assert same.mean() > 0.999 and len(np.unique(labels.array)) > 1
        for name in ("spacing", "origin", "direction"):
            np.testing.assert_array_equal(getattr(labels, name), getattr(stored, name))


def test_a_model_that_records_nothing_sees_the_storage_as_before(ct):
    old = Lopsided(3, Geometry())
    first = segment_image(ct, old).labels
    flipped = replace(ct, array=ct.array[::-1, ::-1])  # as a file that swaps both axes, with whatever geometry
    turned = replace(flipped, direction=ct.direction @ np.diag([-1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(segment_image(turned, old).labels.array, segment_image(flipped, old).labels.array)
    assert (segment_image(turned, old).labels.array[::-1, ::-1] != first.array).mean() > 0.05  # which is what was wrong


def test_a_network_of_slices_sees_the_slices_of_training(ct):
    for form, context in (("2d", 0), ("2.5d", 1)):
        net = Levels(form, (16, 16), context=context, geometry=SEEN)
        wanted = segment_image(ct, net).labels
        found = segment_image(reorient(ct, "SRA"), net).labels
        np.testing.assert_array_equal(reorient(found).array, reorient(wanted).array)


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
@pytest.mark.parametrize("target", [(1.4, 1.4, 1.4), (0.5, 0.6, 1.2), (0.7, 0.8, 5.0)])
def test_the_answer_is_that_of_resampling_outside_asking_and_resampling_back(ct, target, interpolation):
    geometry = replace(SEEN, spacing=target, interpolation=interpolation)
    outside = resample(reorient(ct), target, interpolation)
    native = torch.from_numpy(class_probabilities(outside, Lopsided(3)))
    back = resample_slabs(lambda a, b: native[..., a:b], outside.shape, reorient(ct).shape, smooth=False)
    wanted = torch.cat([slab for _, slab in back], dim=3).numpy()
    found = class_probabilities(reorient(ct), Lopsided(3, geometry))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    labels = segment_image(ct, Lopsided(3, geometry)).labels
    same = reorient(labels).array == np.array([0, 3, 7])[wanted.argmax(axis=0)]
    assert same.mean() > 0.999


@pytest.mark.parametrize("roi", [((2, 20), (1, 18), (0, 11)), ((8, 13), (6, 12), (3, 6))])  # the latter is seen wider
@pytest.mark.parametrize("orientation", ORIENTATIONS[::5])
def test_restorations_are_the_same_in_every_storage(ct, orientation, roi):
    for geometry in (SEEN, replace(SEEN, spacing=(1.1, 0.9, 1.7))):
        wanted = restore_volume(reorient(ct), Lopsided(1, geometry), seed=3, roi=roi)
        stored = reorient(ct, orientation)
        sides = replace(reorient(ct), array=np.zeros(reorient(ct).shape))
        sides.array[tuple(slice(*side) for side in roi)] = 1
        marked = np.argwhere(reorient(sides, orientation).array)
        box = tuple(zip(marked.min(axis=0).tolist(), (marked.max(axis=0) + 1).tolist()))
        found = restore_volume(stored, Lopsided(1, geometry), seed=3, roi=box)
        for name in ("original", "distorted", "restored", "error"):
            ours = getattr(found, name)
            np.testing.assert_allclose(
                reorient(ours).array, getattr(wanted, name).array, atol=1.0 if name != "error" else 1e-5
            )
            np.testing.assert_allclose(ours.origin, stored.crop(box).origin)
            assert ours.shape == stored.crop(box).shape
        for ours, theirs in zip(found.table, wanted.table):
            assert ours["mse"] == pytest.approx(theirs["mse"], rel=1e-5)


def test_a_restoration_is_that_of_resampling_outside_and_back(ct):
    target = (1.4, 1.2, 1.7)
    outside = resample(reorient(ct), target)
    there = restore_volume(outside, Lopsided(1), "shuffle", seed=5)
    here = restore_volume(reorient(ct), Lopsided(1, replace(SEEN, spacing=target)), "shuffle", seed=5)
    assert here.restored.shape == ct.shape == here.original.shape
    back = resample(replace(there.restored, array=there.restored.array.astype(np.float32)), reorient(ct).spacing)
    np.testing.assert_allclose(here.restored.array, back.array, atol=2.0)  # HU: each side rounds
    assert here.table[1]["mse"] == pytest.approx(there.table[1]["mse"], rel=1e-3)
    np.testing.assert_array_equal(here.original.array, reorient(ct).array.clip(-1000, 1000))
