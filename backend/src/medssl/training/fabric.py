"""Fabric for one job: device, precision, processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from medssl.core.errors import ConfigError, ResourceError
from medssl.training.config import TrainingConfig

WAIT = timedelta(days=1)  # of processes for the first, which measures whole images alone; its end they notice otherwise
FABRIC_PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(config: TrainingConfig, device: str, several_heads: bool = False) -> Fabric:
    """The Fabric of `device` (cpu, cuda:1, mps) with the config's precision, devices and nodes.

    With `several_heads` a step need not go through all parameters, which processes must know.

    Raises:
        ResourceError: more devices wanted than there are.
        ConfigError: a precision the device cannot do.
    """
    kind, _, number = device.partition(":")
    several = config.devices * config.nodes > 1
    devices: int | list[int] = config.devices
    if kind == "cuda":
        devices = list(range(int(number or 0), int(number or 0) + config.devices))  # those that the job has locked
        _check_gpus(device, config.devices, last=devices[-1])
    return Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=config.nodes,
        strategy=_ddp(several_heads) if several else "auto",
        precision=FABRIC_PRECISION[choose_precision(config.precision, kind)],
    )


def _ddp(several_heads: bool) -> DDPStrategy:
    """What Fabric makes of "ddp" and "ddp_find_unused_parameters_true", with more patience."""
    unused: dict[str, Any] = {"find_unused_parameters": True} if several_heads else {}
    return DDPStrategy(timeout=WAIT, start_method="popen", **unused)


def _check_gpus(device: str, count: int, last: int) -> None:
    found = torch.cuda.device_count()
    if found == 0:
        raise ResourceError(
            device,
            "cannot be used by this torch",
            "Install a CUDA build of torch, update the driver, or take cpu",
            code="device-missing",
        )
    if last >= found:
        raise ResourceError(
            f"{count} GPUs from {device}", f"exceed the {found} here", "Ask for fewer devices", code="device-missing"
        )


def mean_over_processes(fabric: Fabric, sums: dict[str, Tensor]) -> dict[str, float]:
    """Means over processes, with one exchange and one wait for the device."""
    stacked = torch.stack(list(sums.values()))
    if fabric.world_size > 1:
        stacked = torch.as_tensor(fabric.all_reduce(stacked, reduce_op="mean"))
    return dict(zip(sums, stacked.tolist()))


def choose_precision(wanted: str, kind: str) -> str:
    """Resolve "auto" to bf16 where the device computes in it, otherwise fp16 on a GPU and fp32 elsewhere.

    Raises:
        ConfigError: fp16 on a processor.
    """
    if wanted == "fp16" and kind == "cpu":
        raise ConfigError(
            "training.precision = 'fp16'",
            "does not work on a processor",
            "Use auto, bf16 or fp32",
            code="precision-unsupported",
        )
    if wanted != "auto":
        return wanted
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if kind == "cpu" and cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Does this processor multiply in bf16 (AVX-512 BF16 or AMX)? Without it bf16 would be emulated, and slow."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)
