"""The preset for trainings of minutes on a processor."""

from __future__ import annotations

from refusals import refused

from medssl.core.plan import Plan
from medssl.core.schema import build
from medssl.tasks.architecture import segmentation_network
from medssl.tasks.segmentation.config import SegmentationConfig

MINUTES = build(SegmentationConfig, {}, "minutes")


def network(source: Plan | None = None, form: str = "3d"):
    return segmentation_network(MINUTES, form, 3, 1, source)


def test_it_is_the_narrow_unet_and_weights_keep_their_width():
    assert network() == ("unet-segmenter", {"base_width": 8, "inputs": 1, "classes": 3})
    genesis = Plan(method="genesis", network={"base_width": 16, "fidelity": "paper"})
    assert network(genesis)[1]["base_width"] == 16


def test_boxes_that_show_little_of_a_volume_make_it_coarser():
    assert MINUTES.geometry.spacing == "planned"


def test_radiographs_are_refused_with_what_to_take():
    with refused("network-of-another-form", names=["network = 'unet3d'", "form '2d'"]):
        network(form="2d")
