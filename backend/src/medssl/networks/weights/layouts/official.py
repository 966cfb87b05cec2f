"""The authors' files: Models Genesis, PEAC, Ark; and U-Nets in the names of Models Genesis that segment, as SuPreM's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medssl.core.errors import ConfigError, WeightsError
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import NETWORKS
from medssl.networks.network import Network
from medssl.networks.weights.containers import PAIR
from medssl.networks.weights.layouts.library_names import bare_names
from medssl.networks.weights.layouts.recognised import Recognised, Shapes, shapes_of
from medssl.networks.weights.layouts.swin import ark_names

PREFIX = "module."  # which DataParallel puts before every name
SMALLEST_SHARE = 0.3  # of a network's names that must be there for a file to count as its
GENESIS_HEAD = "out_tr.final_conv.weight"
SEGMENTER = "unet-segmenter"  # the network of a U-Net in the names of Models Genesis whose last layer is another
PROMPTED = (
    "organ_embedding",
    "text_to_vision.",
    "GAP.",
    "controller.",
    "precls_conv.",
)  # heads driven by text, in such files


@dataclass(frozen=True)
class Official:
    """What the authors' files do not say of themselves."""

    begins: str  # how some of their names do
    licence: str
    normalisation: dict[str, Any]
    modality: str
    parts: bool = False  # student and teacher in one file
    bare_swin: bool = False  # its Swin's names have no prefix, downstream networks keep theirs below `swin_model`
    input_size: tuple[int, ...] = field(default=())  # where the network does not tell
    geometry: Geometry = Geometry()


OFFICIAL = {
    "genesis": Official(
        "down_tr",
        "Official Models Genesis weights: released by their authors for non-commercial use only; see NOTICE",
        {"kind": "ct", "low": -1000.0, "high": 1000.0},
        "CT",
        input_size=(64, 64, 32),
        # Trained on LUNA16, whose MetaImages SimpleITK gives as (x, y, z) of the LPS frame, at native spacing (Setio et al., 2017)
        geometry=Geometry("LPS", finest=(0.46, 0.46, 0.45), coarsest=(0.98, 0.98, 2.5)),
    ),
    "peac": Official(
        "swin_model.",
        "Official PEAC weights: released by their authors for non-commercial use only; see NOTICE",
        {"kind": "cxr"},
        "CXR",
        parts=True,
    ),
    "ark": Official(
        "omni_heads.",
        "Official Ark weights: released by their authors for non-commercial use only; see NOTICE",
        {"kind": "cxr"},
        "CXR",
        parts=True,
        bare_swin=True,
    ),
}


def bundle_plan(path: Path) -> Plan | None:
    """The plan in the metadata of the MONAI bundle that a `models/model.pt` of ours belongs to; None elsewhere.

    Raises:
        WeightsError: metadata that cannot be read.
    """
    metadata = path.parent.parent / "configs" / "metadata.json"
    if path.parent.name != "models" or not metadata.is_file():
        return None
    try:
        content = json.loads(metadata.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(metadata, f"is no JSON ({error})", "Take another copy of the bundle") from error
    return Plan.from_metadata({"medssl": json.dumps(content["medssl"])}) if "medssl" in content else None


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """The official network whose names and shapes a file has.

    Raises:
        WeightsError: sizes that its network does not take.
    """
    tensors, left_out = ark_names(tensors) if "omni_heads.0.weight" in tensors else (tensors, ())
    shapes = shapes_of(tensors)
    if _segments(shapes):
        return _segmenter(path, tensors, shapes)
    best, share = "", 0.0
    input_size: tuple[int, ...] = ()
    for method, official in OFFICIAL.items():
        if not any(name.startswith(official.begins) for name in shapes):
            continue  # before a network's libraries are imported for nothing
        network = _outline(path, method, shapes)
        names = network.state_dict().keys()
        found = len(names & shapes.keys()) / len(names)
        if found > share:
            best, share = method, found
            input_size = network.input_size or official.input_size
    if share < SMALLEST_SHARE:
        return None
    plan = Plan(
        method=best,
        network=load(NETWORKS[best].network).arguments_of(shapes),
        fidelity="released",
        normalisation=OFFICIAL[best].normalisation,
        input_size=input_size,
        modality=OFFICIAL[best].modality,
        provenance={"source": path.name, "layout": "official"},
        licence=OFFICIAL[best].licence,
        geometry=OFFICIAL[best].geometry,
    )
    return Recognised("official", plan, tensors, left_out)


def _outline(path: Path, method: str, shapes: Shapes) -> Network:
    """The method's network of a file's sizes, without memory.

    Raises:
        WeightsError: no network has them.
    """
    kind = load(NETWORKS[method].network)
    try:
        with torch.device("meta"):
            network: Network = kind(**kind.arguments_of(shapes))
    except ConfigError as error:
        raise WeightsError(
            path, f"has the names of {method}, and sizes that it cannot have ({error.value} {error.rule})",
            "Take another copy of the file, or other weights", code="layout-unusable",
        ) from error  # fmt: skip
    return network


def _segments(shapes: Shapes) -> bool:
    """Whether a U-Net in the names of Models Genesis answers for classes in the place of intensities."""
    if not any(name.startswith(OFFICIAL["genesis"].begins) for name in shapes):
        return False
    headless = any(name.startswith("up_tr64.") for name in shapes) and not any(
        name.startswith("out_tr.") for name in shapes
    )
    return headless or (*shapes.get(GENESIS_HEAD, ()), 1)[0] != 1 or any(name.startswith(PROMPTED) for name in shapes)


def _segmenter(path: Path, tensors: dict[str, Tensor], shapes: Shapes) -> Recognised:
    """Such a U-Net, of which every layer but the head can go on learning; its classes have no names in the file."""
    sizes = load(NETWORKS["genesis"].network).arguments_of(shapes)
    left_out = tuple(name for name in tensors if name.startswith(PROMPTED))
    classes = shapes[GENESIS_HEAD][0] if GENESIS_HEAD in shapes else 2
    plan = Plan(
        method=SEGMENTER,
        network={"base_width": sizes["base_width"], "inputs": sizes["inputs"], "classes": classes},
        modality=OFFICIAL["genesis"].modality,
        provenance={"source": path.name, "layout": "genesis-segmenter"},
        licence="Not stated in the file: that of its source holds; what was made from the official Models Genesis weights "
        "stays for non-commercial use only",
    )
    taken = {name: tensor for name, tensor in tensors.items() if name not in left_out}
    return Recognised("genesis-segmenter", plan, taken, left_out, holds="backbone")


def official_content(plan: Plan, tensors: dict[str, Tensor], parts: dict[str, dict[str, Tensor]]) -> dict[str, Any]:
    """What the authors' programs expect to find in a file.

    Fine-tuned networks are written as one state dict, in the names of the pretraining they came from, those of libraries as
    the library names them.
    """
    if (bare := bare_names(plan, tensors)) is not tensors:
        return {"state_dict": bare}
    if plan.method not in OFFICIAL or not OFFICIAL[plan.method].parts:
        return {"state_dict": _prefixed(tensors)}
    parts = parts or {plan.provenance.get("part", PAIR[0]): tensors}
    return {part: _prefixed(named) for part, named in parts.items()}


def _prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {PREFIX + name: tensor for name, tensor in tensors.items()}
