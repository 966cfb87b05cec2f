"""`medssl weights` on fine-tuned models."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.plan import Plan
from medssl.networks.downstream.unet_classifier import UNetClassifier
from medssl.networks.weights.weight_files import load_weights, save_weights

SIZES = {"base_width": 4, "inputs": 1, "classes": 2, "hidden": 8}
TASK = {
    "name": "classification", "kind": "multi-label", "form": "3d", "classes": ["Effusion", "Mass"],
    "thresholds": {"Effusion": 0.25, "Mass": 0.5},
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    plan = Plan("unet-classifier", SIZES, normalisation={"kind": "ct"}, task=TASK, licence="Only for tests")
    save_weights(tmp_path / "model.safetensors", UNetClassifier(**SIZES).state_dict(), plan)
    return tmp_path / "model.safetensors"


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_inspect_says_what_a_fine_tuned_file_is(model: Path):
    shown = run("weights", "inspect", model)
    for text in ("classification (multi-label, 3d)", "Effusion, Mass", "Effusion 0.25, Mass 0.5", "Only for tests"):
        assert text in shown


def test_inspect_says_what_a_probe_stands_on(tmp_path: Path):
    task = {
        "name": "probing", "kind": "binary", "classes": ["Mass"], "probe": "linear", "model": "job-1", "model_sha256": "abc",
        "thresholds": {"Mass": 0.5},
    }  # fmt: skip
    save_weights(tmp_path / "probe.safetensors", {"weight": torch.zeros(1, 4)}, Plan("probe", {}, task=task))
    shown = run("weights", "inspect", tmp_path / "probe.safetensors")
    assert "probing (binary, linear)" in shown and "job-1 (abc)" in shown and "1 matched" in shown


def test_inspect_names_segments_with_their_values(tmp_path: Path):
    segments = [{"value": 1, "name": "Lung"}, {"value": 4, "name": "Heart"}]
    plan = Plan("unet-classifier", SIZES, task={"name": "segmentation", "form": "3d", "segments": segments})
    save_weights(tmp_path / "model.safetensors", UNetClassifier(**SIZES).state_dict(), plan)
    assert "1 = Lung, 4 = Heart" in run("weights", "inspect", tmp_path / "model.safetensors")


def test_a_job_s_model_is_exported_by_its_id(model: Path, tmp_path: Path):
    home, job = tmp_path / "home", "20260101-000000-finetune-abcd"
    results = home / "jobs" / job / "results"
    results.mkdir(parents=True)
    model.rename(results / "model.safetensors")
    run("weights", "export", job, tmp_path / "out.ts", "--format", "torchscript", "--home", home)
    assert (tmp_path / "out.ts").is_file()
    run("weights", "inspect", "nothing", "--home", home, status=1)


def test_export_writes_the_format_asked_for_and_says_what_it_is(model: Path, tmp_path: Path):
    said = run("weights", "export", model, tmp_path / "model.ts", "--format", "torchscript")
    assert "sides divisible by 8" in said and "Only for tests" in said and "Largest difference" in said
    scripted, network = torch.jit.load(tmp_path / "model.ts"), load_weights(model)
    x = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(scripted(x), network(x), atol=1e-6)


def test_export_is_official_by_default_and_can_go_unchecked(model: Path, tmp_path: Path):
    said = run("weights", "export", model, tmp_path / "model.pt", "--no-check")
    assert "Largest difference" not in said and load_weights(tmp_path / "model.pt").plan.task == TASK


def test_an_unknown_format_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    from medssl.cli import main

    monkeypatch.setattr(
        sys, "argv", ["medssl", "weights", "export", str(model), str(tmp_path / "m"), "--format", "tflite"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code and "torchscript" in capsys.readouterr().err
