"""Networks of `dynamic-network-architectures` (nnU-Net, nnssl's OpenMind weights, VoCo's nnU-Net), by names and shapes.

An nnssl checkpoint holds `network_weights` and an `nnssl_adaptation_plan` that says where its encoder lies in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from medssl.core.errors import WeightsError
from medssl.core.plan import Plan
from medssl.networks.weights.layouts.recognised import Recognised, Shapes, shapes_of

METHOD = "nnunet-segmenter"
PREFIX = "network."  # which our segmenter puts before the library's names
SAID = "nnssl_adaptation_plan"
TWICE = (".all_modules.", "decoder.encoder.")  # second names of tensors that the files hold twice
CLASSES = 2  # where the file has no last layer that would tell
PRIMUS_STEM, PRIMUS_BLOCKS = "down_projection.proj.weight", "eva.blocks."
HEADS = {396: 6, 792: 12, 864: 12, 1056: 16}  # of Primus S, B, M, L, by their channels
RESENC_STEM = "encoder.stem.convs.0.conv.weight"
PLAIN_STEM = "encoder.stages.0.0.convs.0.conv.weight"


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """A ResEnc U-Net, a plain one of nnU-Net, or a Primus, whole or its encoder alone; None for files of other networks."""
    plan = said.get(SAID, {})
    plan = plan if isinstance(plan, Mapping) else {}
    tensors = _at_usual_places(tensors, plan)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(TWICE[1]) and TWICE[0] not in name}
    shapes = shapes_of(kept)
    for stem, kind in ((RESENC_STEM, _resenc), (PLAIN_STEM, _plain), (PRIMUS_STEM, _primus)):
        if stem in shapes:
            return _recognised(path, kept, kind(shapes, path, plan), plan)
    return None


def _recognised(
    path: Path, tensors: dict[str, Tensor], arguments: dict[str, Any], plan: Mapping[str, Any]
) -> Recognised:
    primus = arguments["name"] == "primus"
    encoder = ("down_projection.", "eva.", "mask_token") if primus else ("encoder.",)
    rest = ("up_projection.",) if primus else ("decoder.stages.", "decoder.transpconvs.", _last_head(tensors))
    whole = not plan and any(name.startswith(rest[-1]) for name in tensors)
    wanted = (*encoder, *rest) if whole else encoder
    left = tuple(name for name in tensors if not name.startswith(wanted))
    source = {"source": path.name, "layout": "nnssl" if plan else "nnunet", **_pretraining(plan)}
    named = {PREFIX + name: tensor for name, tensor in tensors.items() if name not in left}
    network = Plan(method=METHOD, network=arguments, provenance=source)
    return Recognised(source["layout"], network, named, left, "" if whole else "encoder")


def _last_head(tensors: Mapping[str, Tensor]) -> str:
    """The finest of the heads of deep supervision, the only one that answers."""
    heads = "decoder.seg_layers."
    numbers = [int(n.split(".")[2]) for n in tensors if n.startswith(heads) and n.split(".")[2].isdecimal()]
    return f"{heads}{max(numbers, default=0)}."


def _at_usual_places(tensors: dict[str, Tensor], plan: Mapping[str, Any]) -> dict[str, Tensor]:
    """Encoder and stem below the names of the library's segmentation networks, wherever pretraining had them."""
    primus = any(PRIMUS_BLOCKS in name or "blocks.0.attn" in name for name in tensors)
    usual = {"key_to_encoder": "eva" if primus else "encoder.stages",
             "key_to_stem": "down_projection" if primus else "encoder.stem"}  # fmt: skip
    moves: list[tuple[str, str]] = []
    for key, place in usual.items():
        said = plan.get(key)
        if (
            isinstance(said, str) and said and not (moves and f"{said}.".startswith(moves[0][0]))
        ):  # a stem in the encoder
            moves.append((f"{said.strip('.')}.", f"{place}."))
    moves.sort(key=lambda move: -len(move[0]))

    def moved(name: str) -> str:
        fitting = next(((old, new) for old, new in moves if name.startswith(old)), None)
        return fitting[1] + name.removeprefix(fitting[0]) if fitting else name

    return _below_encoder({moved(name): tensor for name, tensor in tensors.items()})


def _below_encoder(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A U-Net's encoder below `encoder`, where it lies elsewhere or bare and nothing in the file says so."""
    for stem in (RESENC_STEM, PLAIN_STEM):
        inside = stem.removeprefix("encoder.")
        places = sorted({name.removesuffix(inside) for name in tensors if name.endswith(inside)}, key=len)
        if stem in tensors or not places:
            continue
        old = (f"{places[0]}stem.", f"{places[0]}stages.")
        return {
            f"encoder.{name.removeprefix(places[0])}" if name.startswith(old) else name: tensor
            for name, tensor in tensors.items()
        }
    return tensors


def _pretraining(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What an adaptation plan says of the images that the weights learnt from."""
    pretrain = plan.get("pretrain_plan")
    configurations = pretrain.get("configurations") if isinstance(pretrain, Mapping) else None
    first = next(iter(configurations.values()), None) if isinstance(configurations, Mapping) else None
    if not isinstance(first, Mapping):
        return {}
    said = {
        "pretraining_spacing": first.get("spacing"),
        "pretraining_patch": first.get("patch_size"),
        "pretraining_normalisation": first.get("normalization_schemes"),
    }
    return {name: list(value) for name, value in said.items() if isinstance(value, (list, tuple))}


def _resenc(shapes: Shapes, path: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    if "encoder.stages.0.blocks.0.conv3.conv.weight" in shapes:
        raise WeightsError(
            path, "is a residual U-Net with bottleneck blocks, which cannot be built here", "Take one with basic blocks",
            code="layout-unusable",
        )  # fmt: skip
    stages = _count(shapes, "encoder.stages.")
    first = [shapes[f"encoder.stages.{n}.blocks.0.conv1.conv.weight"] for n in range(stages)]
    blocks = [_count(shapes, f"encoder.stages.{n}.blocks.") for n in range(stages)]
    more = {"n_blocks_per_stage": blocks, "stem_channels": shapes[RESENC_STEM][0]}
    return _unet("resenc", shapes, RESENC_STEM, first) | {"arguments": _levels(shapes, first, RESENC_STEM) | more}


def _plain(shapes: Shapes, path: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    stages = _count(shapes, "encoder.stages.")
    first = [shapes[f"encoder.stages.{n}.0.convs.0.conv.weight"] for n in range(stages)]
    convs = [_count(shapes, f"encoder.stages.{n}.0.convs.") for n in range(stages)]
    more = {"n_conv_per_stage": convs}
    return _unet("plain_unet", shapes, PLAIN_STEM, first) | {"arguments": _levels(shapes, first, PLAIN_STEM) | more}


def _unet(name: str, shapes: Shapes, stem: str, first: list[tuple[int, ...]]) -> dict[str, Any]:
    last = shapes.get(f"decoder.seg_layers.{len(first) - 2}.weight")
    return {
        "name": name,
        "axes": len(shapes[stem]) - 2,
        "inputs": shapes[stem][1],
        "classes": last[0] if last else CLASSES,
    }


def _levels(shapes: Shapes, first: list[tuple[int, ...]], stem: str) -> dict[str, Any]:
    """What both kinds of U-Nets share; strides show in the decoder alone, and are those of nnU-Net where there is none."""
    stages = len(first)
    up = [shapes.get(f"decoder.transpconvs.{n}.weight") for n in range(stages - 1)]
    axes = len(first[0]) - 2
    strides = [[1] * axes, *(list(shape[2:]) if shape else [2] * axes for shape in reversed(up))]
    convs = [_count(shapes, f"decoder.stages.{n}.convs.") or 1 for n in range(stages - 1)]
    return {
        "n_stages": stages,
        "features_per_stage": [shape[0] for shape in first],
        "kernel_sizes": [list(shape[2:]) for shape in first],
        "strides": strides,
        "n_conv_per_stage_decoder": convs,
        "conv_bias": stem.replace(".weight", ".bias") in shapes,
        "norm": "batch" if stem.replace("conv.weight", "norm.running_mean") in shapes else "instance",
    }


def _primus(shapes: Shapes, path: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    dimension, inputs, *patch = shapes[PRIMUS_STEM]
    if "register_tokens" in shapes:
        raise WeightsError(
            path, "is a Primus with register tokens, which cannot be built here", "Take one without them",
            code="layout-unusable",
        )  # fmt: skip
    last = max((n for n in shapes if n.startswith("up_projection.") and n.endswith("weight")), default="")
    grid = _grid(shapes, path, patch, plan)
    arguments = {
        "embed_dim": dimension,
        "patch_embed_size": patch,
        "eva_depth": _count(shapes, PRIMUS_BLOCKS),
        "eva_numheads": _heads(path, dimension, plan),
        "input_shape": [cells * side for cells, side in zip(grid, patch, strict=True)],
        "init_values": 0.1 if "eva.blocks.0.gamma_1" in shapes else None,
        "scale_attn_inner": "eva.blocks.0.attn.norm.weight" in shapes,
        "use_abs_pos_embed": "eva.pos_embed" in shapes,
    }
    return {
        "name": "primus",
        "axes": 3,
        "inputs": inputs,
        "classes": _last_classes(shapes, last),
        "arguments": arguments,
    }


def _last_classes(shapes: Shapes, last: str) -> int:
    return shapes[last][1] if last and len(shapes[last]) == 5 else CLASSES


def _heads(path: Path, dimension: int, plan: Mapping[str, Any]) -> int:
    """Attention heads, which leave no trace in the shapes: as the file says, else those of the published size.

    Raises:
        WeightsError: another size, and the file does not say.
    """
    architecture = plan.get("architecture_plans")
    arguments = architecture.get("arch_kwargs") if isinstance(architecture, Mapping) else None
    said = arguments.get("eva_numheads") if isinstance(arguments, Mapping) else None
    heads = said if isinstance(said, int) else HEADS.get(dimension)
    if heads is None:
        raise WeightsError(
            path, f"is a Primus of {dimension} channels, whose attention heads nothing tells",
            f"Take one of the published sizes ({', '.join(map(str, HEADS))} channels), or a file whose "
            "nnssl_adaptation_plan names eva_numheads", code="layout-unusable",
        )  # fmt: skip
    return heads


def _grid(shapes: Shapes, path: Path, patch: Iterable[int], plan: Mapping[str, Any]) -> list[int]:
    """Patches along each axis: of the crop that pretraining had, else of a cube.

    Raises:
        WeightsError: positions of no grid that could be told.
    """
    patch = list(patch)
    positions = shapes.get("eva.pos_embed", (1, 0, 0))[1]
    said = _pretraining(plan).get("pretraining_patch")
    if said and len(said) == 3 and all(isinstance(side, int) for side in said):
        grid = [side // one for side, one in zip(said, patch, strict=True)]
        if not positions or grid[0] * grid[1] * grid[2] == positions:
            return grid
    side = round(positions ** (1 / 3)) if positions > 0 else 20
    if positions > 0 and side**3 != positions:
        raise WeightsError(
            path, f"is a Primus whose {positions} positions are of no cube, and it does not say of what grid",
            "Take a file with its nnssl_adaptation_plan", code="layout-unusable",
        )  # fmt: skip
    return [side] * 3


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbers follow a prefix in the names."""
    return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})
