"""Weights as people have them: under the names of wrappers, in dicts within dicts, beside optimisers and settings."""

from __future__ import annotations

import argparse
import itertools
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import refused
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import convert_weights, inspect_weights, load_weights, open_weights

State = dict[str, Tensor]
WRAPPERS = ("model", "net", "module", "_orig_mod", "network", "backbone")
CONTAINERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "network_weights",
    "ema",
    "net",
    "weights",
    "model_state",
    "anything",
)
LIGHTNING = {
    "epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.4.0", "loops": {"fit_loop": {"state_dict": {}}},
    "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.5), "kth_value": torch.tensor(1.0)}},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3}]}],
    "lr_schedulers": [{"base_lrs": [0.001]}], "hyper_parameters": {"model": "unet", "widths": [4, 8]},
}  # fmt: skip


def unet(seed: int = 0) -> State:
    torch.manual_seed(seed)
    return UNet3D(2).state_dict()


def below(prefix: str, state: State) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def same(path: Path, state: State, part: str | None = None) -> None:
    """The file opens whole with these weights, and says so."""
    file, report = inspect_weights(path, part)
    assert report.complete and len(report.matched) == len(state), report.summary()
    loaded = load_weights(path, part).state_dict()
    assert file.plan.method == "genesis" and all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "wrappers",
    [
        *itertools.permutations(WRAPPERS, 1),
        *itertools.permutations(WRAPPERS[:4], 2),
        *itertools.permutations(WRAPPERS[:4], 3),
    ],
)
def test_wrappers_in_any_nesting_are_taken_off(tmp_path: Path, wrappers: tuple[str, ...]):
    state = unet()
    same(saved(tmp_path / "a.pt", {"state_dict": below(".".join(wrappers), state)}), state)


def test_a_compiled_module_inside_another_leaves_its_word_in_the_middle_of_names(tmp_path: Path):
    state = unet()
    inside = {
        name.replace("down_tr64.", "down_tr64._orig_mod.").replace(".ops.", "._orig_mod.ops."): t
        for name, t in state.items()
    }
    same(saved(tmp_path / "a.pt", below("model", inside)), state)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("outer", ["", "checkpoint", "state_dict"])
def test_containers_are_found_however_deep(tmp_path: Path, container: str, outer: str):
    state = unet()
    content: dict[str, Any] = {container: OrderedDict(below("model", state)), "epoch": 2, "loss": torch.tensor(0.1)}
    same(saved(tmp_path / "a.pt", {outer: content, "args": argparse.Namespace(lr=0.1)} if outer else content), state)


def test_a_checkpoint_of_lightning_opens_without_its_optimiser_callbacks_and_settings(tmp_path: Path):
    state = unet()
    beside = {"criterion.weight": torch.ones(3), "train_dice.total": torch.zeros(())}
    path = saved(tmp_path / "last.ckpt", {**LIGHTNING, "state_dict": {**below("model._orig_mod", state), **beside}})
    same(path, state)
    assert set(inspect_weights(path)[1].left_out) == set(beside)


def test_safetensors_have_wrappers_too(tmp_path: Path):
    state = unet()
    save_file(below("module.model", state), tmp_path / "a.safetensors")
    same(tmp_path / "a.safetensors", state)
    (tmp_path / "a.safetensors").rename(tmp_path / "a.bin")  # its first bytes tell, not its name
    same(tmp_path / "a.bin", state)


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("model", "ema"), "model"),
        (("ema", "model"), "model"),
        (("model_state_dict", "ema_state_dict"), "model_state_dict"),
        (("state_dict", "model_ema"), "state_dict"),
        (("network_weights", "swa"), "network_weights"),
    ],
)
def test_of_several_state_dicts_the_trained_one_is_taken_and_the_report_names_all(
    tmp_path: Path, names: tuple[str, str], first: str
):
    states = {names[0]: unet(0), names[1]: unet(1)}
    path = saved(tmp_path / "a.pt", {**states, "optimizer": {"state": {}}})
    file = open_weights(path)
    assert file.part == first and set(file.choices) == set(names) and file.choices[0] == first and not file.parts
    same(path, states[first])
    for name in names:
        same(path, states[name], name)
    shown = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert shown.exit_code == 0 and all(name in shown.output for name in names) and "--part" in shown.output
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert told["part"] == first and told["choices"] == list(file.choices)


def test_an_average_beside_the_model_in_one_flat_dict_can_be_asked_for(tmp_path: Path):
    model, ema = unet(0), unet(1)
    path = saved(
        tmp_path / "a.ckpt", {"state_dict": {**below("model", model), **below("ema", ema), "loss.w": torch.ones(2)}}
    )
    same(path, model)
    same(path, ema, "ema")
    assert open_weights(path).left_out == ("loss.w",)


def test_student_and_teacher_in_one_flat_dict_are_parts(tmp_path: Path):
    student, teacher = unet(0), unet(1)
    content = {
        **below("model.student.backbone", student),
        **below("model.teacher.backbone", teacher),
        "model.center": torch.ones(2),
    }
    path = saved(tmp_path / "a.ckpt", {"state_dict": content})
    assert open_weights(path).choices == ("student", "teacher")
    same(path, student)
    same(path, teacher, "teacher")


@pytest.mark.parametrize("around", ["checkpoint", "state_dict", "model"])
def test_choices_have_short_names_however_deep_they_lie(tmp_path: Path, around: str):
    inner = {
        "model": {"state_dict": below("net", unet(0))},
        "ema": {"state_dict": below("net", unet(1)), "decay": 0.99},
    }
    path = saved(tmp_path / "a.pt", {around: inner, "epoch": 3})
    assert open_weights(path).choices == ("model", "ema")
    same(path, unet(0))
    same(path, unet(1), "ema")


def test_a_student_whose_backbone_and_head_lie_apart_is_one(tmp_path: Path):
    content = {
        part: {"backbone": unet(seed), "dino_head": {"mlp.weight": torch.ones(3)}}
        for seed, part in enumerate(("student", "teacher"))
    }
    path = saved(tmp_path / "a.pt", content)
    assert open_weights(path).choices == ("student", "teacher") and open_weights(path).left_out == (
        "dino_head.mlp.weight",
    )
    same(path, unet(0))
    same(path, unet(1), "teacher")


def test_parts_of_one_network_are_not_taken_for_the_whole(tmp_path: Path):
    state = unet()
    halves = {
        "encoder": {n: t for n, t in state.items() if "down" in n},
        "decoder": {n: t for n, t in state.items() if "down" not in n},
    }
    with refused("weights-ambiguous", names=["encoder", "decoder"]):
        open_weights(saved(tmp_path / "a.pt", {"model": halves}))


def test_the_beginning_of_a_parts_name_will_do(tmp_path: Path):
    path = saved(tmp_path / "a.pt", {"model_state_dict": unet(0), "ema_state_dict": unet(1)})
    same(path, unet(1), "ema")


def test_a_part_is_converted_alone(tmp_path: Path):
    path = saved(tmp_path / "a.pt", {"model": unet(0), "ema": {"state_dict": unet(1)}})
    convert_weights(path, tmp_path / "ema.safetensors", part="ema")
    same(tmp_path / "ema.safetensors", unet(1))
    assert open_weights(tmp_path / "ema.safetensors").plan.provenance["part"] == "ema"
    convert_weights(path, tmp_path / "model.safetensors")
    same(tmp_path / "model.safetensors", unet(0))


def test_unusual_parts_are_not_guessed_between(tmp_path: Path):
    path = saved(tmp_path / "a.pt", {"generator": unet(0), "discriminator": unet(1)})
    with refused("weights-ambiguous", names=["generator", "discriminator", "a.pt"]):
        open_weights(path)
    same(path, unet(1), "discriminator")
    with refused("part-missing", names=["'teacher'", "generator and discriminator"]):
        open_weights(path, "teacher")


def test_names_that_become_one_are_refused(tmp_path: Path):
    state = unet()
    path = saved(tmp_path / "a.pt", {**state, **below("module", state)})
    with refused("weights-ambiguous", names="down_tr64.ops.0.conv1.weight"):
        open_weights(path)


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, [], {"state_dict": {}}, {"optimizer": {"a": torch.ones(2)}}, torch.ones(3), "text"]
)
def test_files_without_weights_say_so(tmp_path: Path, content: Any):
    with refused("weights-without-tensors", names="a.pt"):
        open_weights(saved(tmp_path / "a.pt", content))


def test_unknown_names_are_shown_with_the_layouts_that_are_known(tmp_path: Path):
    path = saved(tmp_path / "a.pt", {"state_dict": {"stem.weight": torch.ones(2), "head.bias": torch.ones(3)}})
    with refused("layout-unknown", names=["stem.weight, head.bias", "MONAI", "nnssl"]):
        open_weights(path)
