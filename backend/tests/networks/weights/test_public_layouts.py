"""Published self-supervised 3D weights: files in their layouts, made with the libraries' classes, give the same encoders."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import torch
from closed_form import read_reference
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from published import State, all_of_the_encoder, below, features, fine_tuned, randomised, saved
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.layers import head_names
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import inspect_weights, load_weights, open_weights


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@functools.cache
def swin(use_v2: bool = False) -> SwinUNETR:
    """Built once: that takes a second."""
    return randomised(SwinUNETR(in_channels=1, out_channels=14, feature_size=12, use_v2=use_v2))


def ssl_names(state: State) -> State:
    """SwinViT by itself, with perceptrons as the pretraining's class named them and what it had beside."""
    inside = {n.removeprefix("swinViT."): t for n, t in state.items() if n.startswith("swinViT.")}
    named = {n.replace("linear1", "fc1").replace("linear2", "fc2"): t for n, t in inside.items()}
    beside = {"norm.weight": torch.ones(192), "norm.bias": torch.ones(192), "rotation_head.weight": torch.ones(4, 192),
              "contrastive_head.weight": torch.ones(8, 192), "conv.weight": torch.ones(1, 192, 1, 1, 1)}  # fmt: skip
    return {**named, **beside}


SWIN_LAYOUTS = {
    "model_swinvit.pt": lambda state: {"epoch": 1, "state_dict": below("module", ssl_names(state)), "optimizer": {}},
    "swin_vit": lambda state: {"state_dict": below("module.swin_vit", ssl_names(state))},
    "VoCo_SSL_head.pt": lambda state: {n: t for n, t in state.items() if n.startswith(("swinViT.", "encoder"))},
    "voco student": lambda state: {
        "model": {**below("student.backbone", {n: t for n, t in state.items() if not n.startswith(("decoder", "out"))}),
                  **below("teacher.backbone", {n: t + 1 for n, t in state.items() if not n.startswith(("decoder", "out"))})}
    },
    "encoder": lambda state: {
        "model": {n.replace("swinViT.", "encoder.").replace(".0.blocks", ".0.0.blocks").replace(".0.downsample", ".0.0.downsample"): t
                  for n, t in state.items() if n.startswith("swinViT.")} | {"encoder.mask_token": torch.ones(1, 12)}
    },
    "suprem_swinunetr.pth": lambda state: {
        "net": below("module.backbone", {n: t for n, t in state.items() if not n.startswith("out.")})
        | {"module.organ_embedding": torch.ones(32, 256), "module.controller.weight": torch.ones(3, 3)},
        "optimizer": {"state": {}}, "epoch": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize(("layout", "use_v2"), [*((name, False) for name in SWIN_LAYOUTS), ("VoCo_SSL_head.pt", True)])
def test_a_swin_transformer_in_every_published_layout_is_monais(tmp_path: Path, layout: str, use_v2: bool):
    source = swin(use_v2)
    path = saved(tmp_path / "file.pt", SWIN_LAYOUTS[layout](source.state_dict()))
    file = open_weights(path)
    sizes = file.plan.network["arguments"]
    assert (sizes["use_v2"], sizes["feature_size"], sizes["window_size"]) == (use_v2, 12, 7)
    assert file.holds == ("backbone" if "suprem" in layout else "encoder")
    network, found = fine_tuned(path)
    all_of_the_encoder(network, found, "network.swinViT.")
    assert {n.removeprefix("network.") for n in file.tensors} <= set(source.state_dict())
    got = network.network.swinViT  # type: ignore[union-attr]
    assert all(torch.equal(tensor, got.state_dict()[name]) for name, tensor in source.swinViT.state_dict().items())
    if layout in ("model_swinvit.pt", "VoCo_SSL_head.pt"):
        x = torch.rand(1, 1, 64, 32, 32)
        for one, other in zip(features(source.swinViT, x), features(got, x), strict=True):
            assert torch.equal(one, other)


def test_the_ssl_layout_is_read_as_monai_itself_reads_it(tmp_path: Path):
    source = swin()
    content = {"state_dict": below("module", ssl_names(source.state_dict()))}
    theirs = SwinUNETR(in_channels=1, out_channels=2, feature_size=12).eval()
    theirs.load_from(content)
    network, _ = fine_tuned(saved(tmp_path / "model_swinvit.pt", content))
    ours = network.network.swinViT.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.swinViT.state_dict().items())


def test_a_backbone_without_its_head_gives_its_decoder_too(tmp_path: Path):
    source = swin()
    network, found = fine_tuned(saved(tmp_path / "file.pt", SWIN_LAYOUTS["suprem_swinunetr.pth"](source.state_dict())))
    state = network.state_dict()
    assert found.complete and all(
        torch.equal(state[f"network.{n}"], t) for n, t in source.state_dict().items() if not n.startswith("out")
    )
    assert {"organ_embedding", "controller.weight"} <= {name.removeprefix("module.") for name in found.left_out}


def test_a_whole_swin_unetr_opens_whole(tmp_path: Path):
    source = swin(use_v2=True)
    path = saved(tmp_path / "VoComni_B.pt", {"state_dict": below("module", source.state_dict())})
    assert inspect_weights(path)[1].complete
    x = torch.rand(1, 1, 64, 32, 32)
    with torch.inference_mode():
        assert torch.equal(load_weights(path)(x), source(x))
    network, found = fine_tuned(path, inputs=3)
    assert found.complete and found.adapted and set(found.new) == head_names(network)


def test_an_encoder_that_lacks_a_tensor_needs_leave(tmp_path: Path):
    state = ssl_names(swin().state_dict())
    del state["layers2.0.blocks.1.attn.qkv.weight"]
    path = saved(tmp_path / "file.pt", {"state_dict": below("module", state)})
    with refused("weights-of-another-network", names="layers2.0.blocks.1.attn.qkv.weight"):
        fine_tuned(path)


# SegResNet: SuPreM


@pytest.mark.parametrize("holds", ["encoder", "backbone", ""])
def test_a_segresnet_gives_what_the_file_holds(tmp_path: Path, holds: str):
    source = randomised(
        SegResNet(
            spatial_dims=3, init_filters=8, in_channels=1, out_channels=32, blocks_down=(1, 2, 2), blocks_up=(1, 1)
        )
    )
    kept = {"encoder": ("convInit.", "down_layers."), "backbone": ("convInit.", "down_layers.", "up_"), "": ("",)}[
        holds
    ]
    state = {name: tensor for name, tensor in source.state_dict().items() if name.startswith(kept)}
    path = saved(tmp_path / "suprem_segresnet.pth", {"net": below("module.backbone", state), "epoch": 3})
    file = open_weights(path)
    assert file.holds == holds and file.plan.network["name"] == "segresnet"
    network, found = fine_tuned(path)
    all_of_the_encoder(network, found)
    assert found.complete == (holds != "encoder")
    x = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        had, got = source.encode(x), network.network.encode(x)  # type: ignore[union-attr]
    assert torch.equal(had[0], got[0])


# U-Net in the names of Models Genesis: SuPreM


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("prefix", ["module.backbone", "module", "backbone"])
def test_the_u_net_of_suprem_goes_into_ours_by_the_reference_names(tmp_path: Path, prefix: str, head: bool):
    names = {n: tuple(shape) for n, shape in read_reference("genesis.json")["state_dict"].items()}
    state = {
        n: torch.rand(shape) if shape else torch.tensor(7)
        for n, shape in names.items()
        if head or not n.startswith("out_tr")
    }
    if head:
        state |= {"out_tr.final_conv.weight": torch.rand(32, 64, 1, 1, 1), "out_tr.final_conv.bias": torch.rand(32)}
    beside = {
        "module.organ_embedding": torch.ones(32, 256),
        "module.GAP.3.weight": torch.ones(3),
        "module.precls_conv.0.weight": torch.ones(2),
    }
    path = saved(
        tmp_path / "supervised_suprem_unet_2100.pth",
        {"net": below(prefix, state) | beside, "optimizer": {}, "epoch": 0},
    )
    file, report = inspect_weights(path)
    assert (
        file.plan.method == "unet-segmenter"
        and file.holds == "backbone"
        and not report.unexpected
        and not report.reshaped
    )
    assert file.plan.network["base_width"] == 32 and report.complete == head and len(report.left_out) == 3
    network, found = fine_tuned(path)
    assert isinstance(network, UNetSegmenter) and found.complete and set(found.new) == head_names(network)
    assert all(torch.equal(network.state_dict()[n], t) for n, t in state.items() if not n.startswith("out_tr"))


def test_its_encoder_answers_as_the_genesis_network_of_these_weights(tmp_path: Path):
    source = randomised(UNet3D(4))
    state = {n: t for n, t in source.state_dict().items() if not n.startswith("out_tr")} | {
        "precls_conv.0.weight": torch.ones(2)
    }
    network, _ = fine_tuned(saved(tmp_path / "a.pth", {"net": below("module.backbone", state)}))
    x = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(network.encode(x), source.encode(x), strict=True))  # type: ignore[operator]


# nnU-Net's library: OpenMind (nnssl), VoCo's nnU-Net


def test_monais_networks_are_not_taken_for_these(tmp_path: Path):
    path = saved(
        tmp_path / "a.pth", MonaiSegmenter("basic_unet", 3, 1, 2, {"features": [4, 4, 8, 8, 16, 4]}).state_dict()
    )
    assert open_weights(path).plan.method == "monai-segmenter"


def test_the_command_line_shows_an_encoder_and_what_is_missing(tmp_path: Path):
    path = saved(tmp_path / "model_swinvit.pt", {"state_dict": below("module", ssl_names(swin().state_dict()))})
    shown = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert (
        shown.exit_code == 1
        and "encoder only" in shown.output
        and "missing     network.out.conv.conv.weight" in shown.output
    )
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert told["holds"] == "encoder" and told["plan"]["network"]["name"] == "swin_unetr"
