"""What a MedSSL weight file says of itself, read from its header without torch.

A MedSSL checkpoint is a safetensors file. Its `__metadata__` holds one JSON text under the key "medssl".
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError, WeightsError
from medssl.core.geometry import Geometry

VERSION = 1
LARGEST_HEADER = 100 * 2**20  # the limit of the safetensors format


@dataclass(frozen=True)
class Channel:
    """One of the images that a model sees of each case."""

    name: str
    modality: str = ""
    normalisation: dict[str, Any] = field(default_factory=dict)  # as `Plan.normalisation`


@dataclass(frozen=True)
class Plan:
    """All that is needed to use the weights: architecture, normalisation, provenance, licence and a digest."""

    method: str  # a key of NETWORKS: genesis, peac; unet-segmenter, swin-classifier ...
    network: dict[str, Any]  # constructor arguments of the network
    fidelity: str = "paper"
    normalisation: dict[str, Any] = field(default_factory=dict)  # NormalisationConfig as a dict, kind never "auto"
    input_size: tuple[int, ...] = ()  # voxels or pixels the network was trained on
    modality: str = ""
    task: dict[str, Any] = field(
        default_factory=dict
    )  # of a fine-tuned model: name, classes, thresholds, how it predicts
    provenance: dict[str, Any] = field(default_factory=dict)  # job id, steps, data, versions, source file
    licence: str = ""
    sha256: str = ""  # of all tensors' bytes in name order
    version: int = VERSION
    geometry: Geometry = Geometry()  # of volumes: the orientation and spacing that the network sees

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What the model sees of each case, in the network's order; of most models one image, whose name is its modality."""
        listed = self.task.get("channels")
        if listed:
            return tuple(Channel(**one) for one in listed)
        return (Channel(self.modality or "image", self.modality, self.normalisation),)

    def to_metadata(self) -> dict[str, str]:
        """The safetensors `__metadata__` that carries this plan."""
        return {"medssl": json.dumps(asdict(self))}

    @staticmethod
    def from_metadata(metadata: dict[str, str]) -> Plan | None:
        """The plan of a safetensors file, or None where there is none.

        Raises:
            WeightsError: a plan of a later version, or none that can be read.
        """
        if "medssl" not in metadata:
            return None
        try:
            values = json.loads(metadata["medssl"])
            size, geometry = tuple(values.get("input_size", ())), Geometry.from_dict(values.get("geometry", {}))
            plan = Plan(**{**values, "input_size": size, "geometry": geometry})
        except (ValueError, TypeError, AttributeError, ConfigError) as error:
            raise WeightsError("plan of a weight file", f"cannot be read ({error})", "Update MedSSL") from error
        if not isinstance(plan.network, dict) or not isinstance(plan.version, int) or plan.version > VERSION:
            raise WeightsError(f"plan of version {plan.version}", "is not known here", "Update MedSSL")
        return plan


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: tensor names, shapes, offsets and `__metadata__`.

    Raises:
        WeightsError: not a safetensors file, or a header that lies about its size.
    """
    with path.open("rb") as file:
        start = file.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= size <= min(LARGEST_HEADER, path.stat().st_size - 8):
            raise WeightsError(
                path,
                "is not a safetensors file",
                "Convert it with `medssl weights convert`",
                code="weights-not-safetensors",
            )
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError) as error:
            raise WeightsError(
                path, "has a damaged header", "Take another copy of the file", code="weights-damaged"
            ) from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise WeightsError(path, "has a damaged header", "Take another copy of the file", code="weights-damaged")
    return header


def read_plan(path: str | Path) -> Plan | None:
    """The plan in a weight file's header, or None for a safetensors file of another origin."""
    return Plan.from_metadata(_read_header(Path(path)).get("__metadata__", {}))
