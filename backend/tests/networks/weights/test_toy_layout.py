"""A layout is one line of `LAYOUTS` and its file: wrappers, containers, report, transfer and the command line follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.plan import Plan
from medssl.networks import LAYOUTS
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.layers import head_names
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.layouts.recognised import Recognised
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import inspect_weights, open_weights

MARK = "toy_"


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """A U-Net whose names begin with a mark, and whose file says how wide it is."""
    if not all(name.startswith(MARK) for name in tensors):
        return None
    named = {name.removeprefix(MARK): tensor for name, tensor in tensors.items()}
    return Recognised("toy", Plan("genesis", {"base_width": said["width"]}), named, holds="backbone")


def test_a_new_layout_needs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(LAYOUTS, "toy", f"{__name__}:recognise")
    state = UNet3D(4).state_dict()
    content = {"state_dict": {f"module.net.{MARK}{name}": tensor for name, tensor in state.items()}, "width": 4}
    torch.save(content, tmp_path / "a.ckpt")
    file, report = inspect_weights(tmp_path / "a.ckpt")
    assert file.layout == "toy" and report.complete
    network = UNetSegmenter(4, classes=3)
    found = transfer(network, open_weights(tmp_path / "a.ckpt"))
    assert found.complete and set(found.new) == head_names(network)
    shown = CliRunner().invoke(app, ["weights", "inspect", str(tmp_path / "a.ckpt")])
    assert shown.exit_code == 0 and "toy" in shown.output
