"""Weight files become fine-tuned networks, and what was taken is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from closed_form import fill as closed_form
from closed_form import read_reference
from downstream import MONAI, PLANS, SEGMENTS, SWIN, make_input, make_network, make_plan
from refusals import refused
from small import make_peac, make_timm_swin, write_pair

from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.swin_segmenter import SwinSegmenter
from medssl.networks.downstream.unet_classifier import UNetClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.layers import head_names
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.peac import PeacNetwork
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import inspect_weights, load_weights, open_weights, save_weights

HEAD = {"out_tr.final_conv.weight", "out_tr.final_conv.bias"}


@pytest.fixture(scope="module")
def genesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the official size: names and shapes are those of the reference."""
    shapes = read_reference("genesis.json")["state_dict"]
    generator = torch.Generator().manual_seed(0)
    state = {
        f"module.{n}": torch.rand(s, generator=generator) if s else torch.tensor(7) for n, s in shapes.items()
    }  # fmt: skip
    path = tmp_path_factory.mktemp("official") / "Genesis_Chest_CT.pt"
    torch.save({"epoch": 3, "state_dict": state, "optimizer_state_dict": {}}, path)
    return path


@pytest.fixture
def small_genesis(tmp_path: Path) -> Path:
    state = closed_form(UNet3D(4), 0.0).state_dict()
    torch.save({"state_dict": {f"module.{n}": t for n, t in state.items()}}, tmp_path / "genesis.pt")
    return tmp_path / "genesis.pt"


@pytest.fixture
def peac(tmp_path: Path) -> Path:
    student, teacher = (closed_form(make_peac(), phase).state_dict() for phase in (0.0, 1.0))
    return write_pair(tmp_path / "peac.pth", student, teacher)


def save_fine_tuned(path: Path, method: str) -> Path:
    network = make_network(method, seed=7)
    save_weights(path, network.state_dict(), network.plan)
    return path


def test_all_of_an_official_genesis_file_but_the_head_goes_into_a_segmenter(genesis: Path):
    file, network = open_weights(genesis), UNetSegmenter(classes=3)
    found = transfer(network, file)
    state = network.state_dict()
    backbone = {name for name in file.tensors if not name.startswith("out_tr")}
    assert found.complete and set(found.matched) == backbone == set(state) - HEAD
    assert all(torch.equal(state[name], file.tensors[name]) for name in backbone)
    assert set(found.new) == set(found.reshaped) == HEAD and found.left_out == () == found.missing
    text = found.text()
    assert f"All {len(backbone)} tensors of the backbone come from Genesis_Chest_CT.pt" in text
    assert "the head is new (out_tr.final_conv.weight, out_tr.final_conv.bias)" in text


def test_the_restoring_layer_is_no_head_even_where_its_shape_fits(small_genesis: Path):
    network = UNetSegmenter(4, classes=1)
    before = network.out_tr.final_conv.weight.clone()
    assert set(transfer(network, open_weights(small_genesis)).new) == HEAD
    assert torch.equal(network.out_tr.final_conv.weight, before)


def test_the_encoder_of_an_official_file_goes_into_a_classifier(genesis: Path):
    file, network = open_weights(genesis), UNetClassifier(classes=2)
    found = transfer(network, file)
    assert found.complete and all(name.startswith("down_tr") for name in found.matched)
    assert {n.split(".")[0] for n in found.new} == {"dense_1", "dense_2"}
    assert all(torch.equal(network.state_dict()[n], file.tensors[n]) for n in found.matched)
    assert {n.split(".")[0] for n in found.left_out} == {"up_tr64", "up_tr128", "up_tr256", "out_tr"}


@pytest.mark.parametrize("kind", [UNetSegmenter, UNetClassifier])
def test_one_channel_spread_over_several_answers_alike(small_genesis: Path, kind: type):
    file = open_weights(small_genesis)
    one, three = kind(4, classes=2), kind(4, inputs=3, classes=2)
    transfer(one, file)
    found = transfer(three, file)
    assert found.complete and found.adapted == ("down_tr64.ops.0.conv1.weight",)
    assert "one input channel is spread" in found.text()
    x = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        first, second = (
            net.eval().encode(images)[-1] for net, images in ((one, x), (three, x.expand(-1, 3, -1, -1, -1)))
        )
    assert torch.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("part", [None, "student", "teacher"])
@pytest.mark.parametrize("kind", [SwinClassifier, SwinSegmenter])
def test_an_official_peac_file_gives_its_transformer(peac: Path, kind: type, part: str | None):
    network = kind(**SWIN, classes=3)
    found = transfer(network, open_weights(peac, part))
    assert found.complete and {n.split(".")[0] for n in found.matched} == {"swin_model"}
    assert set(found.new) == head_names(network) and {n.split(".")[0] for n in found.left_out} == {
        "bias", "mlp", "mlp_local", "head", "decoder",
    }  # fmt: skip
    source = load_weights(peac, part)
    x = torch.randn(2, 3, 56, 56)
    with torch.inference_mode():
        assert torch.equal(network.eval().tokens(x), source.tokens(x))


def test_the_reference_names_of_peac_are_a_classifiers_too():
    shapes = {name: tuple(shape) for name, shape in read_reference("peac.json")["state_dict"].items()}
    sizes = PeacNetwork.arguments_of(shapes)
    with torch.device("meta"):
        network = SwinClassifier(**{name: sizes[name] for name in (*SWIN, "cells")}, classes=14)
    state = {name: tuple(t.shape) for name, t in network.state_dict().items() if name not in head_names(network)}
    assert state == {name: shape for name, shape in shapes.items() if name.startswith("swin_model.")}


def test_a_plain_swin_starts_a_classifier(tmp_path: Path):
    torch.save(make_timm_swin().state_dict(), tmp_path / "imagenet.pth")
    found = transfer(SwinClassifier(**SWIN, classes=1), open_weights(tmp_path / "imagenet.pth"))
    assert found.complete and {"head.fc.weight", "head.fc.bias"} <= set(found.left_out)


@pytest.mark.parametrize("method", PLANS)
def test_training_goes_on_from_a_fine_tuned_file_of_equal_classes(tmp_path: Path, method: str):
    file = open_weights(save_fine_tuned(tmp_path / "model.safetensors", method))
    network = make_network(method, seed=1)
    found = transfer(network, file)
    assert (
        found.complete and not found.new and set(found.kept) == head_names(network) and "the head too" in found.text()
    )
    x = make_input(network)
    with torch.inference_mode():
        assert torch.equal(network(x), load_weights(tmp_path / "model.safetensors")(x))


@pytest.mark.parametrize("method", PLANS)
def test_other_classes_make_the_last_layer_new(tmp_path: Path, method: str):
    file = open_weights(save_fine_tuned(tmp_path / "model.safetensors", method))
    more = make_network(method, seed=1, classes=5)
    renamed = make_network(method, seed=1)
    task = {
        "segments": [{**segment, "name": f"Other {segment['name']}"} for segment in SEGMENTS],
        "classes": ["a", "b", "c"],
    }
    renamed.plan = dataclasses.replace(
        make_plan(method), task=task if "segmenter" in method else {"classes": task["classes"]}
    )
    for network in (more, renamed):
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        found = transfer(network, file)
        assert found.complete and set(found.new) == head_names(network, last=True)
        assert all(torch.equal(network.state_dict()[name], before[name]) for name in found.new)
        assert found.new[0] in found.text()


def test_a_segmenter_gives_its_transformer_to_a_classifier(tmp_path: Path):
    file = open_weights(save_fine_tuned(tmp_path / "model.safetensors", "swin-segmenter"))
    found = transfer(make_network("swin-classifier"), file)
    assert found.complete and {n.split(".")[0] for n in found.left_out} == {"decoder"}


def test_a_file_of_another_size_is_refused_and_nothing_is_changed(small_genesis: Path):
    network = UNetSegmenter(8)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with refused("weights-of-another-network", names=["down_tr64", "[4, 1, 3, 3, 3]", "'base_width': 4"]):
        transfer(network, open_weights(small_genesis))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_missing_part_of_the_backbone_needs_leave(tmp_path: Path):
    file = open_weights(save_fine_tuned(tmp_path / "model.safetensors", "unet-classifier"))
    with refused("weights-of-another-network", names="42 missing (up_tr256"):
        transfer(make_network("unet-segmenter"), file)
    found = transfer(make_network("unet-segmenter"), file, partial=True)
    assert not found.complete and {n.split(".")[0] for n in found.missing} == {"up_tr256", "up_tr128", "up_tr64"}
    assert "At their initialisation stay up_tr256" in found.text()


def test_a_file_of_quite_another_network_is_refused_even_in_part(peac: Path):
    with refused("weights-of-another-network", names="90 missing"):
        transfer(UNetSegmenter(4), open_weights(peac), partial=True)


@pytest.mark.parametrize("name", MONAI)
def test_a_state_dict_of_monai_is_recognised_and_fills_its_network(tmp_path: Path, name: str):
    if name == "swin_unetr":
        pytest.importorskip("einops", reason="MONAI's SwinUNETR needs einops")
    torch.manual_seed(2)
    source = MonaiSegmenter(name, 2, 2, 4, MONAI[name]).eval()
    state = {n.removeprefix("network."): t for n, t in source.state_dict().items()}
    if name == "dynunet":
        state |= {
            f"skip_layers.downsample.{n.removeprefix('input_block.')}": t for n, t in state.items() if "input" in n
        }
    torch.save(state, tmp_path / "model.pt")
    file, report = inspect_weights(tmp_path / "model.pt")
    assert file.layout == "monai" and report.complete and len(report.matched) == len(source.state_dict())
    loaded, other = load_weights(tmp_path / "model.pt"), MonaiSegmenter(name, 2, 2, 4, MONAI[name]).eval()
    assert transfer(other, file).complete
    for network in (loaded, other):
        assert all(torch.equal(t, network.state_dict()[n]) for n, t in source.state_dict().items())
    x = make_input(source, inputs=2)
    with torch.inference_mode():
        assert torch.equal(loaded(x), source(x))
