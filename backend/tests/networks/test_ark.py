"""Ark's network: the reference, official files, heads by name, what a step goes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from closed_form import assert_close_to, make_input, read_reference
from closed_form import make as closed_form
from refusals import refused
from torch import nn

from medssl.core.plan import Plan
from medssl.networks.ark import OFFICIAL_SETS, ArkNetwork, ArkPair, activated, named_sets
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import convert_weights, export_official, load_weights, open_weights

REFERENCES = ("ark_swin_base_224", "arkplus_swin_large_384")
LEFT_OVER = {"head.weight", "head.bias"}  # timm's ImageNet classes, which no computation of Ark uses
SMALL: dict[str, Any] = dict(width=16, patch=4, depths=(1, 1), heads=(1, 2), window=7, cells=7, projector=24)
SETS = [
    {"name": "a", "kind": "multi-label", "classes": ["x", "y"]},
    {"name": "b", "kind": "multi-class", "classes": ["p", "q", "r"]},
    {"name": "c", "kind": "binary", "classes": ["z"]},
]


def make(seed: int = 0, sets: list[dict[str, Any]] = SETS, **sizes: Any) -> ArkNetwork:
    torch.manual_seed(seed)
    return ArkNetwork(**{**SMALL, **sizes}, sets=sets)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("key", REFERENCES)
def test_names_and_shapes_are_those_of_the_official_files(key: str):
    recorded = {name: tuple(shape) for name, shape in read_reference("ark.json")[key]["state_dict"].items()}
    with torch.device("meta"):
        network = ArkNetwork(**ArkNetwork.arguments_of(recorded))
    assert shapes_of(network) == {name: shape for name, shape in recorded.items() if name not in LEFT_OVER}
    assert network.side == read_reference("ark.json")[key]["a"]["input"][-1]


@pytest.mark.slow
@pytest.mark.parametrize("key", REFERENCES)
def test_an_official_file_gives_the_recorded_embedding_and_logits(key: str, tmp_path: Path):
    """Through the code that opens any file: prefix, teacher beside student, an optimiser state with numpy's numbers."""
    recorded = read_reference("ark.json")[key]
    shapes = {name: tuple(shape) for name, shape in recorded["state_dict"].items()}
    network = closed_form(lambda: ArkNetwork(**ArkNetwork.arguments_of(shapes)), recorded["a"]["phase"])
    teacher = {**network.state_dict(), "head.weight": torch.ones(1000, 1), "head.bias": torch.ones(1000)}
    nothing = torch.zeros((), dtype=torch.half)
    student = {name: nothing.expand(tensor.shape) for name, tensor in teacher.items()}
    path = save(tmp_path / "ark.pth.tar", student, teacher)
    del network, student, teacher
    opened = load_weights(path)
    with torch.inference_mode():
        outputs = opened.outputs(make_input(recorded["a"]["input"], recorded["a"]["freq"]))  # type: ignore[operator]
    assert_close_to(outputs["embedding"], recorded["a"]["embedding"])
    assert [len(logits[0]) for logits in outputs["logits"]] == recorded["heads"]
    for logits, wanted in zip(outputs["logits"], recorded["a"]["logits"], strict=True):
        assert torch.allclose(logits.flatten(), torch.tensor(wanted).flatten(), rtol=1e-4, atol=1e-6)


def save(path: Path, student: dict[str, torch.Tensor], teacher: dict[str, torch.Tensor]) -> Path:
    def prefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {f"module.{name}": tensor for name, tensor in tensors.items()}

    optimizer = {
        "state": {},
        "param_groups": [{"lr": np.float64(0.3), "momentum": np.float32(0.9), "step": np.int64(4)}],
    }
    torch.save({"epoch": 199, "lossMIN": np.float64(0.2), "state_dict": prefixed(student), "teacher": prefixed(teacher),
                "optimizer": optimizer, "scheduler": {"last_epoch": 3}}, path)  # fmt: skip
    return path


def test_a_training_file_holds_both_parts_and_the_teacher_is_used(tmp_path: Path):
    student, teacher = make(1), make(2)
    path = save(tmp_path / "ark.pth.tar", student.state_dict(), teacher.state_dict())
    for part, wanted in ((None, teacher), ("teacher", teacher), ("student", student)):
        assert torch.equal(load_weights(path, part).projector.weight, wanted.projector.weight)  # type: ignore[union-attr]
    plan = open_weights(path).plan
    assert (plan.method, plan.fidelity, plan.modality, plan.input_size) == ("ark", "released", "CXR", (56, 56))
    assert "non-commercial" in plan.licence


def test_a_file_with_other_objects_than_numbers_is_refused(tmp_path: Path):
    class Other:
        pass

    Other.__module__, Other.__qualname__ = "builtins", "object"
    torch.save({"teacher": make().state_dict(), "scheduler": np.random.default_rng(0)}, tmp_path / "bad.pth.tar")
    with refused("weights-unsafe", names="numpy.random"):
        open_weights(tmp_path / "bad.pth.tar")


def test_a_file_in_the_names_of_todays_timm_opens_too(tmp_path: Path):
    network = make()

    def renamed(name: str) -> str:
        return name.replace("layers.0.downsample", "layers.1.downsample")

    torch.save({renamed(name): tensor for name, tensor in network.state_dict().items()}, tmp_path / "ark.pth")
    opened = load_weights(tmp_path / "ark.pth").state_dict()
    assert all(torch.equal(tensor, opened[name]) for name, tensor in network.state_dict().items())


def test_a_missing_tensor_is_named(tmp_path: Path):
    tensors = make().state_dict()
    del tensors["layers.0.blocks.0.norm1.weight"]
    torch.save(tensors, tmp_path / "ark.pth")
    with refused("weights-incomplete", names="layers.0.blocks.0.norm1.weight"):
        load_weights(tmp_path / "ark.pth")


def test_converting_and_exporting_give_back_what_was_there(tmp_path: Path):
    path = save(tmp_path / "ark.pth.tar", make(1).state_dict(), make(2).state_dict())
    convert_weights(path, tmp_path / "own.safetensors")
    export_official(tmp_path / "own.safetensors", tmp_path / "back.pth.tar")
    for part in ("student", "teacher"):
        first, last = open_weights(path, part).tensors, open_weights(tmp_path / "back.pth.tar", part).tensors
        assert first.keys() == last.keys() and all(torch.equal(first[name], last[name]) for name in first)


def test_released_heads_have_their_names_and_others_numbers():
    sizes = [14, 14, 14, 3, 6, 1]
    sets = named_sets(sizes, softmax=True)
    assert [one["name"] for one in sets] == [name for name, _, _ in OFFICIAL_SETS]
    assert [one["activation"] for one in sets] == ["sigmoid"] * 3 + ["softmax"] + ["sigmoid"] * 2
    assert {one["activation"] for one in named_sets(sizes, softmax=False)} == {"sigmoid"}
    assert named_sets([2, 1], softmax=False)[0] == {
        "name": "head-0", "kind": "multi-label", "classes": ["class-0", "class-1"], "activation": "sigmoid",
    }  # fmt: skip


def test_the_size_of_images_is_read_off_the_masks_or_taken_for_one_window():
    with torch.device("meta"):
        shapes = shapes_of(ArkNetwork(192, 4, (2, 1, 1, 1), (6, 12, 24, 48), 12, 24, sets=SETS))
    plain = {name: shape for name, shape in shapes.items() if not name.endswith("attn_mask")}
    assert ArkNetwork.arguments_of(plain)["cells"] == 12
    assert ArkNetwork.arguments_of(shapes)["cells"] == 24


def test_every_head_answers_through_its_activation():
    network, images = make().eval(), torch.randn(2, 3, 56, 56)
    with torch.no_grad():
        many, one, sole = network.probabilities(images)
        outputs = network.outputs(images)
    assert (many.shape, one.shape, sole.shape) == ((2, 2), (2, 3), (2, 1))
    assert torch.allclose(one.sum(1), torch.ones(2)) and torch.allclose(one, outputs["logits"][1].softmax(1))
    assert torch.allclose(many, outputs["logits"][0].sigmoid())
    assert activated(torch.zeros(1, 2), {"activation": "softmax"}).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("sets", "code", "names"),
    [
        ([SETS[0], SETS[0]], "head-repeated", "two sets named 'a'"),
        ([{"name": "a", "kind": "binary", "classes": ["x", "y"]}], "number-of-classes", "binary, with 2 classes"),
        ([{"name": "a", "kind": "multi-class", "classes": ["x"]}], "number-of-classes", "multi-class, with 1 classes"),
        ([{"name": "a", "kind": "multi-label", "classes": []}], "number-of-classes", "with 0 classes"),
    ],
)
def test_sets_that_make_no_head_are_refused(sets: list[dict[str, Any]], code: str, names: str | list[str]):
    with refused(code, names):
        make(sets=sets)


def test_a_step_goes_through_one_head_and_never_the_teacher():
    pair = ArkPair(make()).train()
    seen = pair(torch.randn(2, 3, 56, 56), torch.randn(2, 3, 56, 56), 1)
    (seen.logits.sum() + (seen.student - seen.teacher).square().sum()).backward()
    with_gradient = {name for name, parameter in pair.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith("teacher.") for name in with_gradient) and not seen.teacher.requires_grad
    heads = {name for name in with_gradient if "omni_heads" in name}
    assert heads == {"student.omni_heads.1.weight", "student.omni_heads.1.bias"}
    assert {"student.projector.weight", "student.patch_embed.proj.weight"} <= with_gradient


def test_a_classifier_takes_the_whole_backbone_and_the_standard_of_an_ark(tmp_path: Path):
    ark = make()
    torch.save({"teacher": ark.state_dict()}, tmp_path / "ark.pth")
    sizes = {name: value for name, value in SMALL.items() if name != "projector"}
    network = SwinClassifier(**sizes, drop_path=0.0, classes=3, standard="imagenet")
    report = transfer(network, open_weights(tmp_path / "ark.pth"))
    assert report.complete and set(report.new) == {"classifier.weight", "classifier.bias"}
    images = torch.rand(2, 1, 56, 56)
    with torch.no_grad():
        mine = network.eval().embed(network.standardise(images))
        assert torch.allclose(mine, ark.eval().features(ark.standardise(images)), atol=1e-6)


def test_images_are_standardised_as_for_imagenet():
    grey = torch.full((1, 1, 1, 1), 0.485)
    values = ArkNetwork.standardise(grey).flatten().tolist()
    assert values == pytest.approx([0.0, (0.485 - 0.456) / 0.224, (0.485 - 0.406) / 0.225], abs=1e-6)


def test_the_plan_describes_the_heads_it_was_saved_with(tmp_path: Path):
    from medssl.networks.weights.weight_files import save_weights

    network = make()
    save_weights(tmp_path / "own.safetensors", network.state_dict(), Plan("ark", {**SMALL, "sets": network.sets}))
    assert load_weights(tmp_path / "own.safetensors").sets == network.sets
