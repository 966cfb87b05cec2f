"""Published self-supervised 3D weights: files in their layouts, made with the libraries' classes, give the same encoders."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from closed_form import read_reference
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from refusals import refused
from torch import Tensor, nn
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.networks.layers import head_names, names_of
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.network import Network
from medssl.networks.unet3d import UNet3D
from medssl.networks.unet_segmenter import UNetSegmenter
from medssl.networks.weights.transfer import Transfer, transfer
from medssl.networks.weights.weight_files import build_network, inspect_weights, load_weights, open_weights
from medssl.tasks.architecture import segmentation_network
from medssl.tasks.segmentation.config import SegmentationConfig

unets = pytest.importorskip(
    "dynamic_network_architectures.architectures.unet", reason="needs dynamic-network-architectures"
)
State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def below(prefix: str, state: State) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def randomised(network: Any) -> Any:
    """Every tensor filled, so that none can be left out unseen."""
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(0.0, 0.1).abs_()
    return network.eval()


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def fine_tuned(path: Path, crop: tuple[int, int, int] = (64, 64, 32), inputs: int = 1) -> tuple[Network, Transfer]:
    """What the segmentation task makes of a file: its own choice of the network, 5 classes, and the transfer."""
    file = open_weights(path)
    method, arguments = segmentation_network(SegmentationConfig(crop=crop), "3d", 5, inputs, file.plan)
    network = build_network(type(file.plan)(method, arguments))
    return network.eval(), transfer(network, file)


def all_of_the_encoder(network: Network, found: Transfer, begins: str = "") -> None:
    """No tensor of the encoder is new; the head is, and the report says so."""
    encoder = (
        {n for n in network.state_dict() if n.startswith(begins)} if begins else names_of(network, network.encoder())
    )
    derived = {name for name in encoder if name.endswith("relative_position_index")}
    assert encoder and encoder <= {*found.matched} | derived and not found.broken()
    assert head_names(network, last=True) <= set(found.new) <= head_names(network) and found.source in found.text()


def features(network: Any, x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return list(network(x))


# Swin transformers: SwinViT (Tang et al. 2022), VoCo, SuPreM


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

SIZES = {
    "input_channels": 1, "n_stages": 3, "features_per_stage": [4, 8, 12], "conv_op": nn.Conv3d, "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "num_classes": 3, "n_conv_per_stage_decoder": [1, 2], "conv_bias": True,
    "norm_op": nn.InstanceNorm3d, "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "nonlin": nn.LeakyReLU,
    "nonlin_kwargs": {"inplace": True},
}  # fmt: skip
UNETS = {
    "resenc": lambda **more: unets.ResidualEncoderUNet(**{**SIZES, **more}, n_blocks_per_stage=[1, 2, 2]),
    "plain_unet": lambda **more: unets.PlainConvUNet(**{**SIZES, **more}, n_conv_per_stage=[2, 2, 1]),
}


def adaptation(encoder: str, stem: str, **more: Any) -> dict[str, Any]:
    configurations = {
        "onemmiso": {"spacing": [1, 1, 1], "patch_size": [32, 32, 16], "normalization_schemes": ["ZScoreNormalization"]}
    }
    return {"key_to_encoder": encoder, "key_to_stem": stem, "pretrain_num_input_channels": 1,
            "pretrain_plan": {"configurations": configurations}, **more}  # fmt: skip


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize("prefix", ["encoder", "encoder.encoder", "student.encoder", "net.enc"])
def test_an_nnssl_checkpoint_gives_the_librarys_encoder(tmp_path: Path, kind: str, prefix: str):
    source = randomised(UNETS[kind]())
    state = below(prefix, source.encoder.state_dict())
    rest = {"decoder.stages.0.weight": torch.ones(3), "projector.0.weight": torch.ones(4)}
    stem = f"{prefix}.stem" if kind == "resenc" else f"{prefix}.stages.0"
    content = {
        "network_weights": state | rest,
        "nnssl_adaptation_plan": adaptation(f"{prefix}.stages", stem),
        "citations": ["a"],
    }
    path = saved(tmp_path / "checkpoint_final.pth", content)
    file, report = inspect_weights(path)
    assert (file.layout, file.holds, file.plan.network["name"]) == ("nnssl", "encoder", kind)
    assert not report.unexpected and not report.reshaped and file.plan.provenance["pretraining_spacing"] == [1, 1, 1]
    network, found = fine_tuned(path)
    all_of_the_encoder(network, found)
    x = torch.rand(1, 1, 16, 16, 16)
    for had, got in zip(features(source.encoder, x), features(network.network.encoder, x), strict=True):  # type: ignore[union-attr]
        assert torch.equal(had, got)


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize("prefix", ["", "encoder", "module.net.enc", "student.backbone"])
@pytest.mark.parametrize("plan", [True, False])
def test_an_encoder_by_itself_is_found_wherever_it_lies(tmp_path: Path, kind: str, prefix: str, plan: bool):
    source = randomised(UNETS[kind]())
    state = source.encoder.state_dict()
    content: dict[str, Any] = {"network_weights": below(prefix, state) if prefix else state}
    if plan:  # as it says of nnssl's checkpoints of a student, whose names come without that word
        content["nnssl_adaptation_plan"] = adaptation(f"{prefix}.stages", f"{prefix}.stem")
    network, found = fine_tuned(saved(tmp_path / "a.pth", content))
    all_of_the_encoder(network, found)
    x = torch.rand(1, 1, 16, 16, 16)
    for had, got in zip(features(source.encoder, x), features(network.network.encoder, x), strict=True):  # type: ignore[union-attr]
        assert torch.equal(had, got)


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize(
    "more",
    [{}, {"conv_bias": False}, {"norm_op": nn.BatchNorm3d, "norm_op_kwargs": {}}, {"strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]]},
     {"kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]]}, {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d,
      "kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]]}],
)  # fmt: skip
def test_a_checkpoint_of_nnu_net_answers_as_the_librarys_class(tmp_path: Path, kind: str, more: dict[str, Any]):
    source = randomised(UNETS[kind](**more))
    content = {
        "network_weights": source.state_dict(),
        "optimizer_state": {"state": {}},
        "_best_ema": 0.9,
        "init_args": {"fold": 0},
    }
    path = saved(tmp_path / "checkpoint_final.pth", content)
    file, report = inspect_weights(path)
    assert report.complete and file.layout == "nnunet"
    x = torch.rand(2, 1, *[16] * (2 if "conv_op" in more else 3))
    with torch.inference_mode():
        assert torch.equal(load_weights(path)(x), source(x))


def primus(**more: Any) -> Any:
    from dynamic_network_architectures.architectures.primus import Primus

    from medssl.networks.libraries.nnunet_segmenter import RotaryPositions

    sizes = {"embed_dim": 48, "eva_depth": 2, "eva_numheads": 2, "init_values": 0.1, "scale_attn_inner": True} | more
    with torch.no_grad():
        return randomised(
            Primus(
                1,
                patch_embed_size=(8, 8, 8),
                num_classes=3,
                input_shape=(32, 32, 16),
                rope_impl=RotaryPositions,
                **sizes,
            )
        )


HEADS = {"arch_class_name": "Primus", "arch_kwargs": {"eva_numheads": 2}}


def encoded(network: Any, x: Tensor) -> Tensor:
    """What the transformer makes of an image."""
    with torch.inference_mode():
        return network.eva(network.down_projection(x).flatten(2).transpose(1, 2))[0]


def test_a_primus_of_nnssl_gives_the_librarys_encoder(tmp_path: Path):
    source = primus()
    plan = adaptation("eva", "down_projection", architecture_plans=HEADS)
    path = saved(
        tmp_path / "checkpoint_final.pth", {"network_weights": source.state_dict(), "nnssl_adaptation_plan": plan}
    )
    network, found = fine_tuned(path, (32, 32, 16))
    all_of_the_encoder(network, found)
    x = torch.rand(2, 1, 32, 32, 16)
    assert not found.resampled and torch.equal(encoded(network.network, x), encoded(source, x))
    with torch.inference_mode():
        assert network(x).shape == (2, 5, 32, 32, 16)


def test_positions_of_a_primus_are_interpolated_to_another_grid(tmp_path: Path):
    source = primus()
    grid = torch.linspace(0, 1, 4)[:, None, None].expand(4, 4, 2).reshape(1, 32, 1).expand(1, 32, 48)
    source.eva.pos_embed.data.copy_(grid)
    plan = adaptation("eva", "down_projection", architecture_plans=HEADS)
    path = saved(
        tmp_path / "checkpoint_final.pth", {"network_weights": source.state_dict(), "nnssl_adaptation_plan": plan}
    )
    network, found = fine_tuned(path, (64, 32, 32))
    assert found.resampled == ("network.eva.pos_embed",) and "interpolated" in found.text()
    positions = network.state_dict()["network.eva.pos_embed"].reshape(8, 4, 4, 48)
    assert torch.all(positions[1:] >= positions[:-1]) and positions[0].max() == 0 and positions[-1].min() == 1
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 64, 32, 32)).shape == (1, 5, 64, 32, 32)


def test_a_primus_of_a_published_size_needs_no_word_of_its_heads(tmp_path: Path):
    source = primus(embed_dim=396, eva_depth=1, eva_numheads=6)
    state = source.state_dict()
    plan = adaptation("eva", "down_projection", architecture_plans={"arch_class_name": "PrimusS", "arch_kwargs": None})
    path = saved(tmp_path / "a.pth", {"network_weights": state, "nnssl_adaptation_plan": plan})
    network, _ = fine_tuned(path, (32, 32, 16))
    x = torch.rand(1, 1, 32, 32, 16)
    assert torch.equal(encoded(network.network, x), encoded(source, x))


def test_a_primus_that_does_not_tell_its_heads_is_refused(tmp_path: Path):
    plan = adaptation("eva", "down_projection")
    path = saved(tmp_path / "a.pth", {"network_weights": primus().state_dict(), "nnssl_adaptation_plan": plan})
    with refused("layout-unusable", names=["48 channels", "eva_numheads"]):
        open_weights(path)


@pytest.mark.parametrize(("name", "millions"), [("resenc", 102), ("plain_unet", 31)])
def test_from_scratch_the_published_sizes_are_built(name: str, millions: int):
    method, arguments = segmentation_network(SegmentationConfig(network=name, crop=(64, 64, 64)), "3d", 3, 1, None)
    with torch.device("meta"):
        network = NnunetSegmenter(**arguments)
    number = sum(p.numel() for p in network.parameters()) / 1e6
    assert method == "nnunet-segmenter" and number == pytest.approx(
        {"resenc": 102, "plain_unet": 31, "primus": 147}[name], rel=0.05
    )
    assert network.size_divisor == 32


def test_the_librarys_names_come_back_with_an_export(tmp_path: Path):
    source = randomised(UNETS["resenc"]())
    path = saved(tmp_path / "a.pth", {"network_weights": source.state_dict()})
    done = CliRunner().invoke(app, ["weights", "export", str(path), str(tmp_path / "out.pth")])
    assert done.exit_code == 0, done.output
    back = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    missing, unexpected = source.load_state_dict(back, strict=False)
    assert not unexpected and all(
        "all_modules" in n or n.startswith(("decoder.encoder.", "decoder.seg_layers.0")) for n in missing
    )


def test_an_absent_library_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path / "a.pth", {"network_weights": UNETS["resenc"]().state_dict()})
    monkeypatch.setattr("medssl.networks.libraries.nnunet_segmenter.find_spec", lambda name: None)
    with refused("package-missing", names=["dynamic-network-architectures", "pip install"]):
        inspect_weights(path)


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
