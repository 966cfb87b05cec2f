"""PEAC's weight files: two parts, prefixes, derived buffers, plain Swins as a start."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from closed_form import fill as closed_form
from closed_form import read_reference
from refusals import refused
from safetensors.torch import save_file
from small import SIZES, make_images, make_peac, make_timm_swin, original_names, write_pair
from typer.testing import CliRunner

import medssl
from medssl.cli.app import app
from medssl.core.plan import Plan
from medssl.networks.peac import PeacNetwork, PeacPair
from medssl.networks.weights.matching_report import DERIVED
from medssl.networks.weights.weight_files import (
    convert_weights,
    export_official,
    fill,
    inspect_weights,
    load_weights,
    open_weights,
    save_weights,
)

PLAN = Plan("peac", {**SIZES, "depths": [2, 2], "heads": [2, 4]}, normalisation={"kind": "cxr"}, modality="CXR")


def states() -> tuple[dict, dict]:
    """A student and a teacher that differ."""
    return closed_form(make_peac(), 0.0).state_dict(), closed_form(make_peac(), 1.0).state_dict()


def without_derived(state: dict) -> dict:
    return {name: tensor for name, tensor in state.items() if not name.endswith(DERIVED)}


def holds(network: torch.nn.Module, state: dict) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items() if name in state)


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return write_pair(tmp_path / "peac.pth", *states())


@pytest.mark.parametrize("prefix", ["module.", ""])
@pytest.mark.parametrize("derived", [True, False])
def test_official_files_load_with_and_without_prefix_and_derived_buffers(tmp_path: Path, prefix: str, derived: bool):
    student, teacher = (state if derived else without_derived(state) for state in states())
    path = write_pair(tmp_path / "peac.pth", student, teacher, prefix)
    file, report = inspect_weights(path)
    assert report.complete and len(report.matched) == len(student) and file.part == "student"
    assert (file.plan.method, file.plan.fidelity, file.plan.modality) == ("peac", "released", "CXR")
    assert file.plan.normalisation == {"kind": "cxr"} and file.plan.input_size == (56, 56)
    assert "non-commercial" in file.plan.licence
    for part, state in ((None, student), ("student", student), ("teacher", teacher)):
        network = medssl.load_weights(path, part=part)
        assert isinstance(network, PeacNetwork) and not network.training and holds(network, state)


def test_student_and_teacher_answer_differently(official: Path):
    images = make_images(1)
    answers = [load_weights(official, part).outputs(images)["global"] for part in ("student", "teacher")]
    assert not torch.allclose(*answers)


def test_every_key_of_the_reference_matches():
    shapes = {name: tuple(shape) for name, shape in read_reference("peac.json")["state_dict"].items()}
    with torch.device("meta"):
        network = PeacNetwork(**PeacNetwork.arguments_of(shapes))
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == shapes


@pytest.mark.parametrize("derived", [True, False])
def test_conversion_and_export_give_back_every_bit(tmp_path: Path, derived: bool):
    student, teacher = (state if derived else without_derived(state) for state in states())
    source = write_pair(tmp_path / "peac.pth", student, teacher)
    convert_weights(source, tmp_path / "ours.safetensors")
    export_official(tmp_path / "ours.safetensors", tmp_path / "back.pth")
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    for part, state in (("student", student), ("teacher", teacher)):
        assert back[part].keys() == {f"module.{name}" for name in state}
        assert all(torch.equal(back[part][f"module.{name}"], tensor) for name, tensor in state.items())
        for file in ("ours.safetensors", "back.pth"):
            assert holds(load_weights(tmp_path / file, part), state)


def test_one_part_can_be_converted_and_exported_alone(official: Path, tmp_path: Path):
    plan = convert_weights(official, tmp_path / "teacher.safetensors", part="teacher")
    assert plan.provenance["part"] == "teacher"
    assert holds(load_weights(tmp_path / "teacher.safetensors"), states()[1])
    export_official(tmp_path / "teacher.safetensors", tmp_path / "teacher.pth")
    assert set(torch.load(tmp_path / "teacher.pth", weights_only=True)) == {"teacher", "medssl"}
    assert holds(load_weights(tmp_path / "teacher.pth"), states()[1])  # the only part there


def test_a_part_that_is_not_there_is_refused(official: Path, tmp_path: Path):
    torch.save({"student": states()[0]}, tmp_path / "student.pth")
    torch.save({"state_dict": states()[0]}, tmp_path / "flat.pth")
    for path, held in ((official, "student and teacher"), (tmp_path / "student.pth", "student")):
        with refused("part-missing", names=["'tutor'", f"holds {held}"]):
            open_weights(path, "tutor")
    with refused("part-missing", names="flat.pth"):
        open_weights(tmp_path / "flat.pth", "teacher")
    assert holds(load_weights(tmp_path / "flat.pth"), states()[0])


def test_a_trained_pair_opens_by_parts_and_fills_a_pair(tmp_path: Path):
    pair, (student, teacher) = PeacPair(make_peac()), states()
    pair.student.load_state_dict(student)
    pair.teacher.load_state_dict(teacher)
    save_weights(tmp_path / "model.safetensors", pair.state_dict(), PLAN)
    assert holds(load_weights(tmp_path / "model.safetensors"), student)
    assert holds(load_weights(tmp_path / "model.safetensors", "teacher"), teacher)
    for part, expected in ((None, (student, teacher)), ("teacher", (teacher, teacher))):
        other = PeacPair(make_peac(seed=3))
        assert fill(other, open_weights(tmp_path / "model.safetensors", part)).complete
        assert holds(other.student, expected[0]) and holds(other.teacher, expected[1])


def test_an_official_file_starts_a_pair(official: Path):
    pair = PeacPair(make_peac(seed=3))
    assert fill(pair, open_weights(official)).complete
    assert holds(pair.student, states()[0]) and holds(pair.teacher, states()[1])


def test_an_altered_teacher_is_noticed_when_the_student_is_asked_for(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_weights(path, PeacPair(make_peac()).state_dict(), PLAN)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # of the last tensor, which is the teacher's
    path.write_bytes(content)
    with refused("weights-altered", names="model.safetensors"):
        load_weights(path, "student")


@pytest.mark.parametrize("layout", ["timm", "swin"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_plain_swin_gives_its_own_tokens(tmp_path: Path, layout: str, wrapped: bool):
    swin, images = make_timm_swin(), make_images(2)
    state = swin.state_dict() if layout == "timm" else original_names(swin.state_dict())
    torch.save({"model": state} if wrapped else state, tmp_path / "swin.pth")
    file, report = inspect_weights(tmp_path / "swin.pth")
    assert file.layout == layout and not report.unexpected and not report.reshaped
    assert all(name.startswith(("bias", "mlp", "head", "decoder")) for name in report.missing)
    assert len(report.left_out) == 2 and "2 left out" in report.counts()
    with refused("weights-incomplete", names="missing bias"):
        load_weights(tmp_path / "swin.pth")
    pair = PeacPair(make_peac(seed=3)).eval()
    fill(pair, file, partial=True)
    tokens = swin.forward_features(images).flatten(1, 2)
    for network in (pair.student, pair.teacher):
        assert torch.equal(network.tokens(images), tokens)


def test_a_deeper_swin_starts_the_stages_that_match(tmp_path: Path):
    state = make_timm_swin(depths=(2, 2, 2), window=7, side=56).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "swin.safetensors")
    report = fill(make_peac(), open_weights(tmp_path / "swin.safetensors"), partial=True)
    assert "swin_model.layers.1.blocks.1.attn.qkv.weight" in report.matched
    assert "swin_model.layers.2.blocks.0.attn.qkv.weight" in report.unexpected
    assert "swin_model.layers.1.downsample.reduction.weight" in report.unexpected
    assert "swin_model.norm.weight" in {name for name, _, _ in report.reshaped}


def test_position_tables_of_another_window_stay_behind(tmp_path: Path):
    torch.save(make_timm_swin(window=14).state_dict(), tmp_path / "swin.pth")
    file, report = inspect_weights(tmp_path / "swin.pth")
    assert file.plan.network["window"] == 7
    assert len(report.reshaped) == 4 and all(name.endswith("bias_table") for name, _, _ in report.reshaped)


def test_a_swin_of_impossible_sizes_is_refused(tmp_path: Path):
    state = make_timm_swin().state_dict()
    state["layers.0.blocks.0.attn.relative_position_bias_table"] = torch.zeros(169, 3)
    torch.save(state, tmp_path / "swin.pth")
    with refused("layout-unusable", names="3 heads in stage 1"):
        open_weights(tmp_path / "swin.pth")


def test_a_plan_of_a_giant_network_is_refused_before_it_is_built(tmp_path: Path):
    network = {**PLAN.network, "depths": [2, 10**9]}
    save_weights(tmp_path / "giant.safetensors", states()[0], dataclasses.replace(PLAN, network=network))
    with refused("network-not-buildable", names="1000000000"):
        load_weights(tmp_path / "giant.safetensors")


def test_conversion_of_a_start_needs_leave(tmp_path: Path):
    torch.save(make_timm_swin().state_dict(), tmp_path / "swin.pth")
    with refused("weights-incomplete", names="23 missing"):
        convert_weights(tmp_path / "swin.pth", tmp_path / "start.safetensors")


def test_the_command_line_shows_and_takes_the_parts(official: Path, tmp_path: Path):
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "student (of student and teacher;" in run("weights", "inspect", official)
    shown = json.loads(run("weights", "inspect", official, "--part", "teacher", "--json"))
    assert (shown["part"], shown["parts"], shown["plan"]["provenance"]["part"]) == ("teacher", [], "teacher")
    run("weights", "convert", official, tmp_path / "pair.safetensors")
    run("weights", "export", tmp_path / "pair.safetensors", tmp_path / "teacher.pth", "--part", "teacher")
    assert holds(load_weights(tmp_path / "teacher.pth"), states()[1])
