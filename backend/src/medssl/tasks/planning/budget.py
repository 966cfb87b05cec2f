"""What a training step may take on a device."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil
import torch

from medssl.core.allocator import container_memory
from medssl.training.memory import GB, PROCESS

SHARE = {"cpu": 0.5, "mps": 0.5, "cuda": 0.85}  # of the device's memory
FLOPS_PER_CORE = 50e9  # of a step on a processor: about two seconds on a core with AVX2


@dataclass(frozen=True)
class Budget:
    """Limits of one training step.

    Attributes:
        memory: bytes for network, optimiser and activations.
        flops: floating-point operations, forwards and backwards; None: as many as fit into the memory.
        text: where the limits come from.
    """

    memory: int
    flops: float | None
    text: str


def budget_of(device: str, memory_gb: float = 0.0) -> Budget:
    """The limits of a device: a share of all its memory, so that they are the same in every run; on a processor time too.

    Args:
        device: cpu, cuda:1, mps.
        memory_gb: of the whole training process, instead of the device's share; 0: that share.
    """
    kind, _, number = device.partition(":")
    if kind == "cuda" and torch.cuda.is_available():
        total, name = torch.cuda.get_device_properties(int(number or 0)).total_memory, f"GPU {number or 0}"
    else:
        total, name = psutil.virtual_memory().total, "this computer"
        if (container := container_memory()) is not None and container[0] < total:
            total, name = container[0], "this container"
    allowed = int(memory_gb * GB) if memory_gb else int(SHARE.get(kind, 0.5) * total)
    said = f"{allowed / GB:.1f} GB " + ("as stated" if memory_gb else f"of the {total / GB:.0f} GB of {name}")
    if kind != "cpu":
        return Budget(allowed, None, said)
    cores = _cores()
    return Budget(max(0, allowed - PROCESS), FLOPS_PER_CORE * cores, f"{said}, {cores} cores")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
