"""The training state as one safetensors file per checkpoint: weights, optimiser, progress. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.errors import WeightsError
from medssl.networks.weights.tensor_files import digest, read_safetensors, write_safetensors

KEPT = 2  # the newest, and the one before in case the newest turns out to be damaged


@dataclass
class Progress:
    """What the loop knows beside weights and optimiser; plain numbers only."""

    step: int = 0  # optimiser steps done
    best: float = float("inf")  # lowest validation loss
    validation_loss: float = 0.0  # the last one, of a student where there is one; 0 before the first
    since_best: int = 0  # validations since then
    halvings: int = 0  # of the learning rate, by the plateau schedule
    non_finite: int = 0  # losses in a row that were NaN or infinite
    collapsed: bool = False
    unvalidated: bool = False  # a validation is due at this step, and a cancel came before its end
    parts: int = 1  # into which a micro-batch is divided, since memory ran out
    fp32_steps: int = 0  # computed again in fp32, since bf16 or fp16 gave NaN or infinity
    precision: dict[str, Any] | None = None  # the gradient scaler's state (fp16)


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    average: nn.Module | None = None,
) -> Path:
    """Write `step-<n>.safetensors` atomically, then delete all but the newest two; `average`: of the weights, where one is kept."""
    state = optimizer.state_dict()
    parts = {"network": network, "average": average}
    tensors = {
        f"{part}.{name}": tensor
        for part, module in parts.items()
        if module is not None
        for name, tensor in module.state_dict().items()
    }
    for index, values in state["state"].items():
        tensors.update(
            {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items() if value is not None}
        )
    path = folder / f"step-{progress.step:08d}.safetensors"
    header = {"groups": state["param_groups"], "progress": asdict(progress), "sha256": digest(tensors)}
    write_safetensors(path, tensors, {"training": json.dumps(header)})
    for old in [
        *list_checkpoints(folder)[KEPT:],
        *folder.glob(".step-*"),
    ]:  # the latter: half-written by a killed process
        old.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, newest first (a file still being written has another name)."""
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def load_newest(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and header of the newest undamaged checkpoint, or None where there is none."""
    for path in list_checkpoints(folder):
        try:
            tensors, metadata = read_safetensors(path)
        except WeightsError:
            continue
        header = json.loads(metadata.get("training", "{}"))
        if header.get("sha256") == digest(tensors):
            return tensors, header
    return None


def restore(
    loaded: tuple[dict[str, Tensor], dict[str, Any]],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None = None,
) -> Progress:
    """Put a loaded checkpoint into network, optimiser and the average of the weights, where one is kept."""
    tensors, header = loaded
    for part, module in (("network.", network), ("average.", average)):
        if module is not None:
            module.load_state_dict({name.removeprefix(part): t for name, t in tensors.items() if name.startswith(part)})
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            states.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": header["groups"]})
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            # A copy, since what was read is mapped from a file that Windows then cannot delete; laid out as the weights.
            like = parameter if value.shape == parameter.shape else value
            values[key] = torch.empty_like(like, dtype=value.dtype, device=value.device).copy_(value)
    return Progress(**header["progress"])
