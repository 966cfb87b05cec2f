"""A comparison's arms from scratch train the network that they are held against."""

from __future__ import annotations

from pathlib import Path

from medssl.core.plan import Plan
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import save_weights
from medssl.studies.comparison.config import Arm, Study
from medssl.studies.comparison.networks import with_equal_networks
from medssl.studies.comparison.weights import FrozenWeights
from medssl.tasks import TASKS


def study(**second) -> Study:
    config = as_dict(build(config_class(TASKS, "segmentation"), {}))
    arms = (
        Arm("scratch", config=config),
        Arm("other", config={**config, **second}),
        Arm("genesis", "w", config=config),
    )
    return Study(
        task="segmentation", arms=arms, seeds=(0,), sizes=(1.0,), unit="fractions", metric="dice", reference="scratch"
    )


def test_an_arm_from_scratch_takes_network_width_and_window_of_the_weights(tmp_path: Path):
    file = tmp_path / "genesis.safetensors"
    save_weights(file, UNet3D(base_width=8).state_dict(), Plan("genesis", {"base_width": 8}))
    weights = {"scratch": FrozenWeights(), "other": FrozenWeights(), "genesis": FrozenWeights(str(file), "x")}
    before = study(network="resenc")
    after = with_equal_networks(before, weights)
    scratch, other, genesis = after.arms
    assert (scratch.config["network"], scratch.config["base_width"]) == ("unet3d", 8)
    assert not scratch.config["window_from_labels"]
    assert other == before.arms[1] and genesis == before.arms[2]  # a stated network stays, as does what has weights


def test_without_weights_nothing_changes():
    weights = {arm.name: FrozenWeights() for arm in study().arms}
    assert with_equal_networks(study(), weights) == study()
