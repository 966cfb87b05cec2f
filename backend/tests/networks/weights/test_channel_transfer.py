"""Weights of one channel in a network of several: shares that keep the response's size, and a sentence that says so."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from refusals import refused

from medssl.core.plan import Channel, Plan
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.transfer import channel_shares, transfer
from medssl.networks.weights.weight_files import open_weights, save_weights

MR, CT, PET = (Channel(name, name) for name in ("MR", "CT", "PET"))
FIRST = "down_tr64.ops.0.conv1"


def planned(network, *channels: Channel, modality: str = "", **plan):
    """A network with a plan of these channels."""
    task = {"name": "segmentation", "segments": [], "channels": [asdict(one) for one in channels]}
    network.plan = Plan(plan.pop("method", "unet-segmenter"), network.arguments, modality=modality, task=task, **plan)
    return network


@pytest.fixture
def genesis(tmp_path):
    """Weights of a Genesis that learnt from CT."""
    net = UNet3D(base_width=4)
    save_weights(tmp_path / "genesis.safetensors", net.state_dict(), Plan("genesis", {"base_width": 4}, modality="CT"))
    return net, open_weights(tmp_path / "genesis.safetensors")


@pytest.mark.parametrize(
    ("channels", "modality", "shares"),
    [
        ((MR, CT), "CT", (1 / 3, 2 / 3)),
        ((MR, CT, PET), "CT", (0.2, 0.6, 0.2)),
        ((MR, MR), "MR", (0.5, 0.5)),
        ((MR, CT), "", (0.5, 0.5)),
        ((MR, CT), "CXR", (0.5, 0.5)),
        ((), "CT", (0.25,) * 4),
    ],
)
def test_shares_sum_to_one_and_the_known_modality_leads(channels, modality, shares):
    found = [share for _name, share in channel_shares(channels, modality, len(channels) or 4)]
    assert found == pytest.approx(shares) and sum(found) == pytest.approx(1.0)


def test_an_image_in_all_channels_gets_the_answer_that_the_file_gave(genesis):
    source, file = genesis
    network = planned(UNetSegmenter(4, inputs=2), MR, CT, modality="MR")
    found = transfer(network, file)
    x = torch.rand(1, 1, 16, 16, 16)
    before, after = source.eval().encode(x)[-1], network.eval().encode(x.expand(-1, 2, -1, -1, -1))[-1]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    weight = network.state_dict()[f"{FIRST}.weight"]
    torch.testing.assert_close(weight[:, 1], 2 * weight[:, 0], rtol=1e-5, atol=1e-7)
    assert found.adapted == (f"{FIRST}.weight",) and all(text in found.text() for text in ("MR (33%)", "CT (67%)"))


def test_a_file_of_several_channels_keeps_its_order(tmp_path):
    network = planned(UNetSegmenter(4, inputs=2), MR, CT)
    save_weights(tmp_path / "two.safetensors", network.state_dict(), network.plan)
    file = open_weights(tmp_path / "two.safetensors")
    assert not transfer(planned(UNetSegmenter(4, inputs=2), MR, CT), file).adapted
    with refused("channels-of-another-order", ["MR, CT", "CT, MR"]):
        transfer(planned(UNetSegmenter(4, inputs=2), CT, MR), file)


@pytest.mark.parametrize(
    "build",
    [
        lambda inputs: NnunetSegmenter("resenc", 3, inputs, 2, {"n_stages": 2, "features_per_stage": [4, 8], "n_blocks_per_stage": [1, 1], "n_conv_per_stage_decoder": [1]}),
        lambda inputs: MonaiSegmenter("segresnet", 3, inputs, 2, {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}),
        lambda inputs: MonaiSegmenter("basic_unet", 3, inputs, 2, {"features": [4, 4, 8, 8, 8, 4]}),
    ],
    ids=["resenc", "segresnet", "basic_unet"],
)  # fmt: skip
def test_networks_of_libraries_take_several_channels_too(tmp_path, build):
    one = planned(build(1), modality="MR", method="x")
    method = "nnunet-segmenter" if isinstance(one, NnunetSegmenter) else "monai-segmenter"
    save_weights(tmp_path / "one.safetensors", one.state_dict(), Plan(method, one.arguments, modality="MR"))
    two = planned(build(2), MR, MR, method=method)
    assert transfer(two, open_weights(tmp_path / "one.safetensors")).adapted
    x = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        before, after = one.eval()(x), two.eval()(x.expand(-1, 2, -1, -1, -1))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
