"""PyTorch files opened without running code: what may stand beside the tensors, and what a file that does not open is.

A name in a pickle is one of three things. PyTorch's own list rebuilds tensors. What people keep beside them and what cannot do
anything (settings, paths, numbers of numpy) becomes a placeholder that forgets what it is given: the real classes are never
imported, whatever the system the file was written on. Every other name is refused.
"""

from __future__ import annotations

import pickle
import re
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from medssl.core.errors import WeightsError
from medssl.networks.weights.file_kinds import check_kind, damaged, refuse_cut

DAMAGE = (  # what torch's reader raises on damaged bytes
    RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, MemoryError,
    ImportError, BufferError, struct.error, zipfile.BadZipFile, tarfile.TarError,
)  # fmt: skip
SHOWN = 3  # names that a message holds


class Forgotten:
    """Stands for an object that is not needed to read weights, and keeps nothing of it."""

    def __new__(cls, *args: Any) -> Forgotten:
        return object.__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _empty(*args: Any) -> OrderedDict[Any, Any]:
    """A dict with defaults, without its function that makes them."""
    return OrderedDict()


def _named(names: str, *modules: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for module in modules for name in names.split())


FORGOTTEN = (
    *_named("Namespace", "argparse"), *_named("SimpleNamespace", "types"), *_named("Any", "typing"),
    *_named("PosixPath WindowsPath Path PurePosixPath PureWindowsPath PurePath", "pathlib", "pathlib._local"),
    *_named("date datetime time timedelta timezone", "datetime"), *_named("UUID", "uuid"), *_named("Decimal", "decimal"),
    *_named("scalar _reconstruct", "numpy.core.multiarray", "numpy._core.multiarray"),
    *_named("_frombuffer", "numpy.core.numeric", "numpy._core.numeric"),
    *_named("dtype ndarray bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64", "numpy"),
    *_named("_reconstructor", "copyreg", "copy_reg"),
    *_named("object dict list tuple int float str bool bytes frozenset", "builtins", "__builtin__"),
    *_named("DictConfig", "omegaconf.dictconfig"), *_named("ListConfig", "omegaconf.listconfig"),
    *_named("ContainerMetadata Metadata", "omegaconf.base"),
    *_named("AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode PathNode StringNode", "omegaconf.nodes"),
)  # fmt: skip
DICTS = (  # kinds of dicts that hold settings, or the weights themselves
    *_named("AttributeDict", "pytorch_lightning.utilities.parsing", "lightning.pytorch.utilities.parsing",
            "lightning_fabric.utilities.data", "lightning.fabric.utilities.data"),
    *_named("EasyDict", "easydict"), *_named("Dict", "addict", "addict.addict"), *_named("CfgNode", "yacs.config"),
)  # fmt: skip
ALLOWED: list[Any] = [
    *((Forgotten, name) for name in FORGOTTEN),
    *((OrderedDict, name) for name in DICTS),
    (_empty, "collections.defaultdict"),
]


def read_torch(path: Path) -> Any:
    """The content of a `torch.save` file, opened without running any code it may carry.

    Raises:
        WeightsError: the file asks for code, is cut, damaged, or of another kind.
    """
    check_kind(path)
    try:
        with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols and old storages: what matters is said by errors
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, error) from error
    except DAMAGE as error:
        refuse_cut(path, error)
        raise damaged(path, error) from error


def _refusal(path: Path, error: pickle.UnpicklingError) -> WeightsError:
    """What a pickle that torch refuses is: it asks for code, is of another protocol, or damaged."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is None and (found := re.search(r"Unsupported operand (\d+)", str(error))):
        return WeightsError(
            path, f"cannot be read by PyTorch's safe reader (unknown instruction {found[1]}: damaged, or not of pickle "
            "protocol 2)", "Take another copy, or let its author save it again with torch.save(state_dict, path)",
            code="weights-damaged",
        )  # fmt: skip
    if named is None and "Weights only load failed" not in str(error):
        return damaged(path, error)
    if named is None:
        return damaged(path, str(error).split("\n")[0])
    others = [name for name in _unsafe(path) if name != named[1]]
    names = ", ".join([named[1], *others][:SHOWN]) + (", …" if len(others) >= SHOWN else "")
    return WeightsError(
        path, f"carries Python objects ({names}) that would run code when opened",
        "Ask its author for a plain state dict, torch.save(model.state_dict(), path), or safetensors", code="weights-unsafe",
    )  # fmt: skip


def _unsafe(path: Path) -> list[str]:
    """All names that are not allowed, where torch can list them."""
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except (*DAMAGE, pickle.UnpicklingError, OSError):
        return []
