"""`medssl saliency` on a small untrained Ark, and the same through requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.client import api
from medssl.core.errors import MedSSLError, WeightsError
from medssl.core.plan import Plan
from medssl.core.protocol import VolumeRef
from medssl.core.requests import SaliencyRequest
from medssl.networks.weights.weight_files import build_network, save_weights

SWIN = {"width": 8, "patch": 4, "depths": [1, 1], "heads": [1, 2], "window": 7, "cells": 7, "projector": 16}
SETS = [{"name": "chexpert", "kind": "multi-label", "classes": ["Edema", "Pleural Effusion"]}]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    plan = Plan("ark", {**SWIN, "sets": SETS}, "paper", {"kind": "cxr"}, (56, 56), "CXR")
    torch.manual_seed(0)
    save_weights(tmp_path / "ark.safetensors", build_network(plan).state_dict(), plan)
    return str(tmp_path / "ark.safetensors")


@pytest.fixture
def image(tmp_path: Path) -> str:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(90, 120)), 4)
    grey = np.rint(127 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "Röntgen.png")
    return str(tmp_path / "Röntgen.png")


def run(*arguments: str):
    return CliRunner().invoke(app, ["saliency", *arguments])


def refusal(*arguments: str) -> MedSSLError:
    result = run(*arguments)
    assert isinstance(result.exception, MedSSLError), result.output
    return result.exception


def test_map_picture_and_text(model, image, tmp_path):
    output = tmp_path / "out"
    result = run(image, "--model", model, "--finding", "effusion", "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "Integrated Grad-CAM of Pleural Effusion (chexpert), probability" in result.output
    assert "from random weights" in result.output
    with Image.open(output / "montage.png") as picture:
        assert picture.size[0] > picture.size[1]
    assert (output / "saliency.nrrd").is_file()
    again = refusal(image, "--model", model, "--finding", "Edema", "--output", str(output))
    assert again.code == "earlier-result"
    options = ("--method", "occlusion", "--no-check", "--head", "chexpert", "--output", str(tmp_path / "two"))
    plain = run(image, "--model", model, "--finding", "Edema", *options)
    assert plain.exit_code == 0 and "Occlusion of Edema" in plain.output and "random" not in plain.output


def test_bad_choices(model, image, tmp_path):
    output = ("--output", str(tmp_path / "out"))
    assert isinstance(refusal(image, "--model", model, "--finding", "Hernia", *output), WeightsError)
    wrong = refusal(image, "--model", model, "--finding", "Edema", "--head", "chexpret", *output)
    assert "chexpert" in str(wrong)
    method = refusal(image, "--model", model, "--finding", "Edema", "--method", "lime", *output)
    assert "grad-cam, occlusion" in str(method)


def test_the_call_carries_every_field():
    asked = SaliencyRequest(VolumeRef(path="/x.png"), "m", "Edema", "chexpert", "occlusion", False, "teacher")
    call = api.saliency(asked)
    assert (call.method, call.path) == ("POST", "/inspect/saliency")
    body = json.loads(call.body)
    assert (body["finding"], body["head"], body["check"], body["part"]) == ("Edema", "chexpert", False, "teacher")


def test_a_missing_image(model, tmp_path):
    error = refusal(str(tmp_path / "none.png"), "--model", model, "--finding", "Edema", "--output", str(tmp_path / "o"))
    assert "none.png" in str(error)
