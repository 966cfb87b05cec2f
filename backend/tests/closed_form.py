"""The closed-form weights and inputs of the reference files (see `reference/README.md`)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

REFERENCE = Path(__file__).parent / "reference"


def read_reference(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


def fill(network: nn.Module, phase: float) -> nn.Module:
    """Give every floating-point entry its sine weights."""
    state = {name: _weights(name, t, phase) for name, t in network.state_dict().items() if _filled(name, t)}
    network.load_state_dict(state, strict=False)
    return network


def make_input(shape: list[int], freq: float) -> Tensor:
    values = 0.5 + 0.5 * np.sin(np.arange(np.prod(shape)) * freq)
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


def assert_close_to(tensor: Tensor, recorded: dict[str, Any], tolerance: float = 1e-4) -> None:
    """Shape, mean, spread and the 64 recorded values agree to the relative tolerance."""
    assert list(tensor.shape) == recorded["shape"]
    values, wanted = tensor.double().flatten()[recorded["at"]].numpy(), np.array(recorded["values"])
    assert np.abs(values - wanted).max() <= tolerance * np.abs(wanted).max()
    assert abs(tensor.double().mean().item() - recorded["mean"]) <= tolerance * max(
        abs(recorded["mean"]), recorded["std"]
    )
    assert abs(tensor.double().std(unbiased=False).item() - recorded["std"]) <= 10 * tolerance * recorded["std"]


def _weights(name: str, tensor: Tensor, phase: float) -> Tensor:
    n, s = tensor.numel(), (zlib.crc32(name.encode()) % 1000) / 1000
    wave = np.sin(np.arange(n) * 0.7390851 + 6.2831853 * s + phase)
    if name.endswith("running_mean"):
        values = np.zeros(n)
    elif name.endswith("running_var"):
        values = np.ones(n)
    elif tensor.ndim == 1:
        values = 1 + 0.1 * wave if name.endswith("weight") else 0.05 * wave
    else:
        values = wave * np.sqrt(2 / (n / tensor.shape[0]))
    return torch.tensor(values.reshape(tensor.shape), dtype=torch.float32)


def _filled(name: str, tensor: Tensor) -> bool:
    return tensor.is_floating_point() and not name.endswith("attn_mask")  # masks stay as the model makes them
