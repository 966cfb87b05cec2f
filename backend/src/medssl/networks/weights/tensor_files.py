"""Tensor files: safe reading of foreign ones, atomic writing of our own (safetensors)."""

from __future__ import annotations

import codecs
import hashlib
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from medssl.core.errors import WeightsError
from medssl.core.files import write_atomic


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, and its metadata.

    Raises:
        WeightsError: a damaged or truncated file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(
            path, f"is not a whole safetensors file ({error})", "Take another copy of the file", code="weights-damaged"
        ) from error


def _numpy_scalars() -> list[Any]:
    """What rebuilds numpy's numbers, as optimiser states often hold them, and nothing else; under numpy 1's and 2's names."""
    rebuild = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(letter)) for letter in "?bhilqBHILQefd"}
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [np.dtype, *kinds, *((rebuild, name) for name in names), (codecs.encode, "_codecs.encode")]


def read_torch(path: Path) -> dict[str, Any]:
    """The content of a `torch.save` file, opened without running any code it may carry.

    Raises:
        WeightsError: the file asks for code, or is damaged.
    """
    if path.stat().st_size == 0:
        raise WeightsError(path, "is empty", "Take another copy of the file", code="weights-damaged")
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if zipfile.is_zipfile(path) or _is_pickle(path):
            named = re.search(r"GLOBAL ([\w.]+)", str(error))  # torch names the first of them in its text only
            raise WeightsError(
                path,
                f"carries Python objects{f' ({named[1]})' if named else ''} that would run code when opened",
                "Ask its author for a plain state dict or safetensors",
                code="weights-unsafe",
            ) from error
        raise WeightsError(
            path, "is not a PyTorch file", "Give a .pt, .pth or .safetensors weight file", code="not-a-weight-file"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # all that torch's reader raises on damaged bytes
        raise WeightsError(
            path, f"is damaged ({error})", "Take another copy of the file", code="weights-damaged"
        ) from error


def _is_pickle(path: Path) -> bool:
    """Whether the file begins as pickles of protocol 2 and later do."""
    with path.open("rb") as file:
        start = file.read(2)
    return start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")


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
