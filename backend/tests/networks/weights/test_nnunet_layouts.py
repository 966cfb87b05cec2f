"""Weights of nnU-Net, nnssl and OpenMind open into the library's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from published import all_of_the_encoder, below, features, fine_tuned, randomised, saved
from refusals import refused
from torch import Tensor, nn
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.weights.weight_files import inspect_weights, load_weights, open_weights
from medssl.tasks.architecture import segmentation_network
from medssl.tasks.segmentation.config import SegmentationConfig

unets = pytest.importorskip(
    "dynamic_network_architectures.architectures.unet", reason="needs dynamic-network-architectures"
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


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
