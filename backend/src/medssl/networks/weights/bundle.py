"""The folder layout of MONAI's model zoo, so that `monai.bundle`, MONAI Label and others run our models."""

from __future__ import annotations

import importlib.metadata
import io
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl import __version__
from medssl.core.capabilities import CLASSES, SEGMENT
from medssl.core.files import write_atomic
from medssl.core.plan import Plan
from medssl.networks import NETWORKS, capabilities_of
from medssl.networks.network import Network
from medssl.networks.weights.bundle_inference import (
    class_channels,
    class_thresholds,
    inference,
    is_monais,
    probability_rule,
)
from medssl.networks.weights.layouts.library_names import bare_names
from medssl.networks.weights.tensor_files import digest

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
TASKS = {SEGMENT: "Segmentation", CLASSES: "Classification"}  # as the model zoo names them


def write_bundle(
    network: Network, folder: Path, scripted: torch.jit.ScriptModule, takes: tuple[int, list[str]], note: str
) -> None:
    """Write a bundle: `configs/`, `models/model.pt` and `model.ts`, `docs/README.md`, `LICENSE`.

    `model.pt` is a plain state dict under the names of the class that `configs/inference.json` builds; `model.ts` needs no
    class at all. `configs/metadata.json` holds the plan, so that `load_weights` opens the folder.

    Args:
        network: with its `.plan`.
        folder: made where it is not there.
        scripted: the same network as TorchScript.
        takes: channels of the input, and its sides as MONAI's metadata states them, such as "8*n".
        note: what goes in and comes out, in words.

    Raises:
        ResourceError: the folder cannot be written.
    """
    plan = network.plan
    state = bare_names(plan, network.state_dict()) if is_monais(plan) else network.state_dict()
    metadata = _metadata(plan, takes, note) | {"medssl": {**asdict(plan), "sha256": digest(state)}}
    weights, script = io.BytesIO(), io.BytesIO()
    torch.save(state, weights)
    torch.jit.save(scripted, script, _extra_files={"metadata.json": json.dumps(metadata)})
    licence = plan.licence or "No licence is recorded for these weights: their makers know."
    for name, content in {
        "configs/metadata.json": _json(metadata),
        "configs/inference.json": _json(inference(network)),
        "models/model.pt": weights.getvalue(),
        "models/model.ts": script.getvalue(),
        "docs/README.md": _readme(folder.name, plan, note).encode(),
        "LICENSE": f"{licence}\n".encode(),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)


def open_bundle(folder: Path) -> list[Callable[[Tensor], Tensor]]:
    """The bundle's two networks, from `model.pt` and `model.ts`, as MONAI itself loads them."""
    import monai.bundle

    where: dict[str, Any] = {"name": folder.resolve().name, "bundle_dir": str(folder.resolve().parent), "device": "cpu"}
    logging.disable(logging.WARNING)  # it logs every argument
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of running what a configuration says: this one is ours
            built: Any = monai.bundle.load(**where, workflow_type="inference")
            scripted: Any = monai.bundle.load(**where, load_ts_module=True)
    finally:
        logging.disable(logging.NOTSET)
    return [built.eval().requires_grad_(False), scripted[0]]  # with its metadata beside it


def _metadata(plan: Plan, takes: tuple[int, list[str]], note: str) -> dict[str, Any]:
    channels, sides = takes
    classes = class_channels(plan)
    can, kind = capabilities_of(plan), plan.task.get("name", "")
    segments = SEGMENT in can
    image = {
        "type": "image", "format": "magnitude", "modality": plan.modality or "n/a", "num_channels": channels,
        "spatial_shape": [int(side) if side.isdigit() else side for side in sides], "dtype": "float32",
        "value_range": [0, 1], "is_patch_data": segments,
        "channel_def": {str(channel): "image" for channel in range(channels)},
    }  # fmt: skip
    answer = {
        "type": "image" if segments else "logits" if CLASSES in can else "features", "format": kind or "features",
        "num_channels": len(classes), "spatial_shape": image["spatial_shape"] if segments else [],
        "dtype": "float32", "value_range": [], "is_patch_data": segments, "channel_def": classes,
    }  # fmt: skip
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by MedSSL {__version__}"},
        "monai_version": importlib.metadata.version("monai"),
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"nibabel": "5", "pytorch-ignite": "0.4.11"},
        "optional_packages_version": {"medssl": __version__},
        "name": f"MedSSL {plan.method}",
        "task": next((title for word, title in TASKS.items() if word in can), "Feature extraction"),
        "description": note,
        "authors": "see LICENSE",
        "copyright": plan.licence or "none stated",
        "intended_use": "Research. Not a medical device.",
        "data_source": str(plan.provenance.get("data", plan.provenance.get("source", "not stated"))),
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": answer}},
    }


def _readme(name: str, plan: Plan, note: str) -> str:
    classes = "\n".join(f"- channel {channel}: {said}" for channel, said in class_channels(plan).items())
    rule, thresholds = probability_rule(plan), "\n".join(f"- {one}" for one in class_thresholds(plan))
    lines = [
        f"# {name}",
        f"{NETWORKS[plan.method].network.rpartition(':')[2]} of MedSSL {__version__}. {note}",
        f"## Answers\n\n{classes or 'Features; no classes.'}",
        *([f"## Probabilities\n\nThe network gives logits: {rule}.\n\n{thresholds}".rstrip()] if rule else []),
        f"## Intensities\n\n`{json.dumps(plan.normalisation)}`, as MedSSL understands it.",
        "## Use\n\n```python\nimport monai.bundle, torch\n"
        f'network = monai.bundle.load("{name}", bundle_dir="...", workflow_type="inference")   # the class, and model.pt\n'
        'network = torch.jit.load("models/model.ts")                    # needs neither MONAI nor MedSSL\n```',
        "For volumes `configs/inference.json` has the whole way from file to label map, by overlapping windows; MedSSL itself can "
        "also average mirrored images and keep the largest component. For slices and radiographs it has the network alone: "
        "prepare them as MedSSL does.",
        f"## Licence\n\n{plan.licence or 'None stated.'}",
    ]
    return "\n\n".join(lines) + "\n"


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
