"""What foreign weight files look like: how their names become ours, and which network they are of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medssl.core.errors import ConfigError, WeightsError
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import MONAI, NETWORKS, family_of
from medssl.networks.network import Network
from medssl.networks.weights.monai_layouts import ALIASES, monai_network, with_aliases

PARTS = ("student", "teacher")
PREFIX = "module."  # which DataParallel puts before every name
SMALLEST_SHARE = 0.3  # of a network's names that must be there for a file to count as its
MONAI_PREFIX = "network."  # which our segmenter puts before MONAI's names
START_WINDOW = 7  # the only usual window that divides the stages of 14 cells


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
STARTED = "peac"  # the method that a Swin of ImageNet can start
MONAI_NETWORK = "monai-segmenter"  # the network that MONAI's files are of
ARK_HEADS = ("projector.", "omni_heads.")  # beside its Swin
OFTEN_THERE = ("head.",)  # the ImageNet classes that timm's Swin came with, in official Ark files


def flatten(content: Any) -> dict[str, Tensor]:
    """The named tensors of a file, without `module.`; names begin with `student.` and `teacher.` where it holds such parts.

    Returns:
        An empty dict where nothing in the content is a state dict.
    """
    if not isinstance(content, Mapping):
        return {}
    parts = {part: content[part] for part in PARTS if isinstance(content.get(part), Mapping)}
    if "teacher" in parts and isinstance(content.get("state_dict"), Mapping):
        parts["student"] = content["state_dict"]  # as Ark's training script saved them
    if parts:
        return {f"{part}.{name}": tensor for part in parts for name, tensor in _tensors(parts[part]).items()}
    for key in ("state_dict", "model"):
        if isinstance(content.get(key), Mapping):
            return _tensors(content[key])
    return _tensors(content)


def separate(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A flat file's parts by name; empty where it has none."""
    if not all(name.startswith(("student.", "teacher.")) for name in tensors):
        return {}
    found = {part: {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith(f"{part}.")} for part in PARTS}
    return {part: named for part, named in found.items() if named}


def choose(path: Path, parts: dict[str, dict[str, Tensor]], part: str | None) -> str:
    """The part asked for; where none was asked for the student (of Ark the teacher), or else what is there.

    Returns:
        "" for a file without parts.

    Raises:
        WeightsError: the part asked for is not in the file.
    """
    if part is not None and part not in parts:
        raise WeightsError(
            f"part {part!r} of {path}", f"is not there (the file holds {' and '.join(parts) or 'no parts'})",
            f"Ask for {' or '.join(parts)}" if parts else "Leave the part out", code="part-missing")  # fmt: skip
    if part is None and any(name.startswith("omni_heads.") for name in parts.get("teacher", ())):
        return "teacher"
    return part or next(iter(parts), "")  # in the order of PARTS


def plain_swin(tensors: dict[str, Tensor]) -> tuple[str, dict[str, Tensor], tuple[str, ...]] | None:
    """A Swin without PEAC's heads under our names; None for anything else.

    Returns:
        The layout ("timm" or "swin", the original repository's), the backbone's tensors, and the names left out.
    """
    if "patch_embed.proj.weight" not in tensors or not any(name.startswith("layers.0.blocks.") for name in tensors):
        return None
    if "omni_heads.0.weight" in tensors:
        return None  # Ark's
    layout = "swin" if "layers.0.downsample.reduction.weight" in tensors else "timm"
    left_out = tuple(name for name in tensors if name.startswith("head."))
    names = {name: _at_the_end(name) if layout == "timm" else name for name in tensors if name not in left_out}
    return layout, {f"swin_model.{names[name]}": tensors[name] for name in names}, left_out


def ark_names(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of an Ark under the official names, also where today's timm named them, and the names left out."""
    left_out = tuple(name for name in tensors if name.startswith(OFTEN_THERE))
    official = "layers.0.downsample.reduction.weight" in tensors or "layers.1.blocks.0.norm1.weight" not in tensors
    return {n if official else _at_the_end(n): t for n, t in tensors.items() if n not in left_out}, left_out


def under_swin(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an Ark with its Swin below `swin_model`, where PEAC and downstream networks keep theirs."""
    return {n if n.startswith(ARK_HEADS) else f"swin_model.{n}": tensor for n, tensor in tensors.items()}


def start_plan(path: Path, layout: str, tensors: dict[str, Tensor]) -> Plan:
    """The PEAC network that a plain Swin may start; its heads are missing.

    Position tables of another window stay behind as reshaped.

    Raises:
        WeightsError: sizes that fit no network here.
    """
    kind = load(NETWORKS[STARTED].network)
    arguments = {**kind.arguments_of(_shapes(tensors)), "window": START_WINDOW}
    try:
        with torch.device("meta"):
            network: Network = kind(**arguments)
    except ConfigError as error:
        raise WeightsError(
            path,
            f"is a Swin that PEAC cannot use ({error.value} {error.rule})",
            "Take one with patches of 4 pixels",
            code="layout-unusable",
        ) from error
    return Plan(
        method=STARTED,
        network=arguments,
        normalisation=OFFICIAL[STARTED].normalisation,
        input_size=network.input_size,
        modality="CXR",
        provenance={"source": path.name, "layout": layout},
    )


def monai_plan(path: Path, tensors: dict[str, Tensor]) -> Plan | None:
    """The plan of the MONAI segmentation network whose names and shapes a file has; None for other files."""
    arguments = monai_network(_shapes(tensors))
    if arguments is None:
        return None
    return Plan(method=MONAI_NETWORK, network=arguments, provenance={"source": path.name, "layout": "monai"})


def monai_names(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of a MONAI network under our names, and the names left out: second names and heads for training alone."""
    bare = {name.removeprefix(MONAI_PREFIX): tensor for name, tensor in tensors.items()}
    left_out = tuple(name for name in bare if name.startswith(ALIASES))
    return {MONAI_PREFIX + name: tensor for name, tensor in bare.items() if name not in left_out}, left_out


def bare_names(plan: Plan, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as the network's class outside MedSSL names them, or ours where there is none."""
    if family_of(plan) != MONAI:
        return tensors
    return with_aliases({name.removeprefix(MONAI_PREFIX): tensor for name, tensor in tensors.items()})


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


def official_plan(path: Path, tensors: dict[str, Tensor]) -> Plan:
    """The plan of the official network whose names and shapes a file has.

    Raises:
        WeightsError: of no network here.
    """
    shapes = _shapes(tensors)
    best, share, refused = "", 0.0, ""
    input_size: tuple[int, ...] = ()
    for method, official in OFFICIAL.items():
        if not any(name.startswith(official.begins) for name in shapes):
            continue  # before a network's libraries are imported for nothing
        kind = load(NETWORKS[method].network)
        try:
            with torch.device("meta"):
                network: Network = kind(**kind.arguments_of(shapes))
        except ConfigError as error:
            refused = f"; as {method}: {error.value} {error.rule}"
            continue
        names = network.state_dict().keys()
        found = len(names & shapes.keys()) / len(names)
        if found > share:
            best, share = method, found
            input_size = network.input_size or official.input_size
    if share < SMALLEST_SHARE:
        some = ", ".join(list(shapes)[:3])
        raise WeightsError(
            path,
            f"has an unknown layout (its tensor names begin with {some}{refused})",
            f"Known: {', '.join(OFFICIAL)}",
            code="layout-unknown",
        )
    return Plan(
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


def official_content(plan: Plan, tensors: dict[str, Tensor], parts: dict[str, dict[str, Tensor]]) -> dict[str, Any]:
    """What the authors' programs expect to find in a file: the inverse of `flatten`.

    Fine-tuned networks are written as one state dict, in the names of the pretraining they came from, MONAI's without prefix.
    """
    if family_of(plan) == MONAI:
        return {"state_dict": bare_names(plan, tensors)}
    if plan.method not in OFFICIAL or not OFFICIAL[plan.method].parts:
        return {"state_dict": _prefixed(tensors)}
    parts = parts or {plan.provenance.get("part", PARTS[0]): tensors}
    return {part: _prefixed(named) for part, named in parts.items()}


def _tensors(content: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(n).removeprefix(PREFIX): tensor for n, tensor in content.items() if isinstance(tensor, Tensor)}


def _prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {PREFIX + name: tensor for name, tensor in tensors.items()}


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _at_the_end(name: str) -> str:
    """timm counts a downsampling to the stage that it opens, the official names to the stage that it ends."""
    first, stage, *rest = name.split(".")
    if first == "layers" and rest[0] == "downsample":
        return ".".join([first, str(int(stage) - 1), *rest])
    return name
