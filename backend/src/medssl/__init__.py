"""MedSSL: self-supervised learning on medical images. Importing this loads neither torch nor SimpleITK."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "read_volume": "medssl.images.formats.reading:read_volume",
    "write_volume": "medssl.images.formats.reading:write_volume",
    "Volume": "medssl.images.volume:Volume",
    "load_weights": "medssl.networks.weights.weight_files:load_weights",
}
__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'medssl' has no attribute {name!r}")
    from medssl.core.registry import load

    return load(_LAZY[name])
