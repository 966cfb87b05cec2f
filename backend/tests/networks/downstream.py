"""Small fine-tuned networks of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from small import SIZES
from torch import Tensor

from medssl.core.plan import Plan
from medssl.networks.network import Network
from medssl.networks.weights.members import together
from medssl.networks.weights.weight_files import WeightFile, build_network

SWIN = {name: SIZES[name] for name in ("width", "patch", "depths", "heads", "window")}
MONAI = {
    "basic_unet": {"features": [4, 4, 8, 8, 16, 4]},
    "segresnet": {"init_filters": 8, "blocks_down": [1, 2, 2], "blocks_up": [1, 1]},
    "dynunet": {"filters": [4, 4, 8], "strides": [1, 2, 2]},
    "swin_unetr": {"feature_size": 12},
}
NNUNET = {
    "resenc": {"n_stages": 3, "features_per_stage": [4, 8, 8], "n_blocks_per_stage": [1, 2, 1], "n_conv_per_stage_decoder": [1, 1]},
    "plain_unet": {"n_stages": 3, "features_per_stage": [4, 8, 8], "n_conv_per_stage": [1, 2, 1], "n_conv_per_stage_decoder": [1, 1]},
    "primus": {"embed_dim": 48, "eva_depth": 2, "eva_numheads": 2, "input_shape": [32, 32, 16]},
}  # fmt: skip
PLANS = {  # method -> network
    "unet-segmenter": {"base_width": 4, "inputs": 1, "classes": 3},
    "unet-classifier": {"base_width": 4, "inputs": 1, "classes": 3, "hidden": 16},
    "swin-segmenter": {**SWIN, "classes": 3, "decoder_width": 16},
    "swin-classifier": {**SWIN, "classes": 3},
    "cnn-classifier": {"name": "test_efficientnet", "classes": 3, "pixels": 64},
    "monai-segmenter": {"name": "dynunet", "axes": 2, "inputs": 1, "classes": 3, "arguments": MONAI["dynunet"]},
    "nnunet-segmenter": {"name": "resenc", "axes": 2, "inputs": 1, "classes": 3, "arguments": NNUNET["resenc"]},
}
NAMES = ["Anterior", "Posterior"]
SEGMENTS = [{"value": n + 1, "name": name, "colour": "#ff0000", "terminology": ""} for n, name in enumerate(NAMES)]
TASKS = {
    "segmenter": {"name": "segmentation", "form": "3d", "segments": SEGMENTS, "spacing": [1.0, 1.0, 1.0], "crop": [16, 16, 16]},
    "classifier": {
        "name": "classification", "kind": "multi-label", "classes": ["Effusion", "Edema", "Mass"],
        "thresholds": {"Effusion": 0.25, "Edema": 0.5, "Mass": 0.125}, "temperature": {},
    },
}  # fmt: skip


def make_plan(method: str, **further: Any) -> Plan:
    kind = "cxr" if method.startswith(("swin", "cnn")) else "ct"
    return Plan(method, {**PLANS[method], **further}, normalisation={"kind": kind}, task=TASKS[method.split("-")[1]])


def make_network(method: str, seed: int = 0, **further: Any) -> Network:
    torch.manual_seed(seed)
    plan = make_plan(method, **further)
    network = build_network(plan)
    network.plan = plan
    return network.eval()


def make_ensemble(method: str = "unet-segmenter", count: int = 2) -> Network:
    """Networks that differ in their weights, as one."""
    members = [make_network(method, seed) for seed in range(count)]
    files = [WeightFile(Path(str(n)), "medssl", one.plan, one.state_dict()) for n, one in enumerate(members)]
    plan, tensors = together(files)
    network = build_network(plan)
    network.load_state_dict(tensors)
    network.plan = plan
    return network.eval()


def make_input(network: Network, number: int = 2, inputs: int = 1) -> Tensor:
    """Of the smallest size that the network takes."""
    generator = torch.Generator().manual_seed(number)
    if network.side:
        return torch.randn(number, 3, network.side, network.side, generator=generator)
    axes, side = network.axes, network.least_side or 16
    return torch.rand(number, inputs, *[side] * axes, generator=generator)
