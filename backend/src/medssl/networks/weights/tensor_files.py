"""Safetensors: reading, atomic writing, digest; and whether tensors are what weights can be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from medssl.core.errors import WeightsError
from medssl.core.files import write_atomic
from medssl.networks.weights.file_kinds import refuse_cut_safetensors

SPREAD = 2**24  # bytes: a tensor may repeat stored values up to this size, as position indices do


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, and its metadata.

    Raises:
        WeightsError: a damaged or cut file.
    """
    refuse_cut_safetensors(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, ValueError, LookupError, OverflowError, RuntimeError, TypeError) as error:
        raise WeightsError(
            path, f"is not a whole safetensors file ({error})", "Take another copy of the file", code="weights-damaged"
        ) from error


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write all or nothing.

    Raises:
        ResourceError: the disk is full; a file that stood at `path` is untouched.
    """
    write_atomic(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata))


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in name order."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def check_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse what no network can be filled with: values that are not there, NaN and infinite ones.

    Raises:
        WeightsError: names the first such tensor, how many of its values are wrong, and how many tensors have some.
    """
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise WeightsError(
                path, f"holds {name} as {tensor.layout} on {tensor.device}, not as plain numbers",
                "Let its author save a plain state dict on the CPU", code="weights-damaged",
            )  # fmt: skip
        announced, there = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if announced > max(there, SPREAD):
            raise WeightsError(
                path, f"announces {announced:,} bytes for {name} and holds {there:,}", "Take another copy of the file",
                code="weights-damaged",
            )  # fmt: skip
    wrong = {name: count for name, tensor in tensors.items() if (count := _not_finite(tensor))}
    if wrong:
        name, count = next(iter(wrong.items()))
        others = f"; so have {len(wrong) - 1} more tensors" if len(wrong) > 1 else ""
        raise WeightsError(
            path, f"has NaN or infinite values: {count:,} of {tensors[name].numel():,} in {name}{others}",
            "Take weights from before the training diverged", code="weights-not-finite",
        )  # fmt: skip


def _not_finite(tensor: Tensor) -> int:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    good = torch.isfinite(tensor.float() if tensor.element_size() == 1 else tensor)  # of 8 bits torch cannot say
    return int(tensor.numel() - good.sum())
