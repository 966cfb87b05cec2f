"""What every downstream network must be: built from its plan, shaped, staged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from closed_form import read_reference
from downstream import MONAI, PLANS, make_input, make_network, make_plan
from refusals import refused
from torch import nn

import medssl
from medssl.networks import ENSEMBLE, NETWORKS
from medssl.networks.downstream.swin_segmenter import SwinSegmenter
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.layers import head_names, parameter_groups, rest_norms
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.weights.weight_files import build_network, save_weights

METHODS = tuple(PLANS)


def test_every_downstream_network_is_tested_here():
    named = {name for name in NETWORKS if name.endswith(("-segmenter", "-classifier"))}
    assert named - {ENSEMBLE} == set(METHODS)  # whose members are these


@pytest.mark.parametrize("method", METHODS)
def test_logits_have_the_shape_of_the_task(method: str):
    network = make_network(method)
    x = make_input(network)
    with torch.inference_mode():
        logits = network(x)
        assert torch.equal(network.outputs(x)["logits"], logits)
    assert logits.shape == ((2, 3) if method.endswith("classifier") else (2, 3, *x.shape[2:]))


@pytest.mark.parametrize("method", METHODS)
def test_a_fine_tuned_file_is_built_from_its_plan(tmp_path: Path, method: str):
    network = make_network(method)
    save_weights(tmp_path / "model.safetensors", network.state_dict(), network.plan)
    loaded = medssl.load_weights(tmp_path / "model.safetensors")
    x = make_input(network)
    assert loaded.plan.task == network.plan.task and not loaded.training
    with torch.inference_mode():
        assert torch.equal(loaded(x), network(x))
    assert build_network(make_plan(method)).arguments == network.arguments
    assert network.arguments.keys() >= PLANS[method].keys()


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_learns(method: str):
    network = make_network(method).train()
    network(make_input(network)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_groups_hold_every_parameter_once_and_decay_with_the_distance_from_the_head(method: str):
    network = make_network(method)
    groups = parameter_groups(network, weight_decay=0.1, layer_decay=0.5)
    found = [id(p) for group in groups for p in group["params"]]
    assert len(found) == len(set(found)) and set(found) == {id(p) for p in network.parameters()}
    scales = [group["lr_scale"] for group in groups]
    assert (
        scales == sorted(scales, reverse=True) and scales[0] == 1.0 and scales[-1] <= 0.5 ** (len(network.stages()) - 2)
    )
    assert all(group["head"] == (group["lr_scale"] == 1.0) for group in groups)
    assert all((group["weight_decay"] == 0.0) == (p.ndim <= 1) for group in groups for p in group["params"])
    names = dict(network.named_parameters())
    assert {id(names[n]) for n in head_names(network)} == {id(p) for g in groups if g["head"] for p in g["params"]}
    first = {id(p) for p in network.stages()[0][0].parameters()}
    assert first <= {id(p) for g in groups if g["lr_scale"] < 0.6 for p in g["params"]}
    torch.optim.AdamW(groups, lr=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_batch_norms_rest_but_for_the_head(method: str):
    network = make_network(method).train()
    rest_norms(network)
    head = {id(layer) for module in network.stages()[-1] for layer in module.modules()}
    norms = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    assert all(norm.training == (id(norm) in head) for norm in norms)
    assert all(parameter.requires_grad for name, parameter in network.named_parameters() if name != "bias")
    network.train()
    assert all(norm.training for norm in norms)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("name", MONAI)
def test_monai_networks_take_several_inputs_in_both_dimensions(name: str, axes: int):
    if name == "swin_unetr":
        pytest.importorskip("einops", reason="MONAI's SwinUNETR needs einops")
    if (name, axes) == ("swin_unetr", 3):
        pytest.skip("five seconds for what 2D shows")
    network = MonaiSegmenter(name, axes, inputs=2, classes=4, arguments=MONAI[name]).eval()
    with torch.inference_mode():
        x = make_input(network, number=1, inputs=2)
        assert network(x).shape == (1, 4, *x.shape[2:])


def test_monai_settings_that_do_not_exist_are_told():
    with refused("network-unknown", names="'unet'"):
        MonaiSegmenter("unet")
    with refused("network-arguments", names="depth"):
        MonaiSegmenter("segresnet", arguments={"depth": 3})
    with refused("network-not-buildable", names="depth"):
        build_network(make_plan("monai-segmenter", arguments={"depth": 3}))


def test_the_segmenter_has_the_official_names_and_only_its_last_layer_differs():
    reference = read_reference("genesis.json")["state_dict"]
    with torch.device("meta"):
        state = UNetSegmenter(classes=3).state_dict()
    assert state.keys() == reference.keys()
    assert {n for n in state if list(state[n].shape) != reference[n]} == {
        "out_tr.final_conv.weight",
        "out_tr.final_conv.bias",
    }


def test_the_pyramid_ends_in_the_tokens():
    network = make_network("swin-segmenter")
    x = make_input(network)
    with torch.inference_mode():
        pyramid = network.swin_model.pyramid(x)
        assert [tuple(level.shape) for level in pyramid] == [(2, 28, 28, 8), (2, 14, 14, 16)]
        assert torch.equal(pyramid[-1].flatten(1, 2), network.tokens(x))


def test_a_decoder_of_odd_width_is_refused():
    with refused("not-a-multiple-of-eight", names="decoder_width 12"):
        SwinSegmenter(**{**PLANS["swin-segmenter"], "decoder_width": 12})
