"""Untrained networks by reference: of a preset, or as a weight file is built."""

from __future__ import annotations

import pytest
import torch
from refusals import refused

from medssl.core.plan import Plan
from medssl.inference.models import WarmModels
from medssl.inference.untrained import split_reference
from medssl.networks.peac import PeacNetwork
from medssl.networks.weights.weight_files import save_weights

SIZES = {"width": 32, "patch": 8, "depths": (2, 2), "heads": (1, 2), "global_hidden": 32, "local_hidden": 32}


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("untrained:default", ("default", 0)),
        ("untrained:default:7", ("default", 7)),
        (r"untrained:C:\weights\x.pt", (r"C:\weights\x.pt", 0)),
        (r"untrained:C:\weights\x.pt:12", (r"C:\weights\x.pt", 12)),
        ("20261123-peac", None),
    ],
)
def test_references(reference, parts):
    assert split_reference(reference) == parts


def test_a_twin_has_the_files_network_but_not_its_weights(tmp_path):
    torch.manual_seed(5)
    trained = PeacNetwork(**SIZES).state_dict()
    path = tmp_path / "x.safetensors"
    save_weights(path, trained, Plan("peac", SIZES, "paper", {"kind": "cxr"}, (224, 224), "CXR"))
    models, before = WarmModels(tmp_path), torch.get_rng_state()
    first, same, other = (models.get(f"untrained:{path}{seed}", "", "cpu") for seed in ("", ":0", ":1"))
    assert torch.equal(torch.get_rng_state(), before)
    name = "swin_model.patch_embed.proj.weight"
    assert first.state_dict()[name].shape == trained[name].shape
    assert not torch.equal(first.state_dict()[name], trained[name])
    assert torch.equal(first.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
    assert first.plan.method == "peac" and not first.training and first.plan.provenance["untrained"]


def test_neither_preset_nor_file(tmp_path):
    with refused("model-not-found", names=["'nothing'", "default"]):
        WarmModels(tmp_path).key("untrained:nothing", "", "cpu")
