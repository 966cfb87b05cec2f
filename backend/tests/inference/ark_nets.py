"""Tiny Arks of three heads, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from medssl.core.plan import Plan
from medssl.networks.ark import OFFICIAL_SETS, ArkEncoder, ArkNetwork
from medssl.networks.ark_cnn import ArkCnn
from medssl.networks.weights.weight_files import save_weights

SIZES: dict[str, Any] = dict(
    width=16, patch=4, depths=(1, 1), heads=(1, 2), window=7, cells=7, drop_path=0.0, projector=24
)  # 56 x 56 pixels
CNN: dict[str, Any] = {"name": "test_efficientnet", "pixels": 64, "standard": "inception", "projector": 24}
SETS = [
    {"name": "north", "kind": "multi-label", "classes": ["Bright", "Effusion"], "activation": "sigmoid"},
    {"name": "south", "kind": "multi-class", "classes": ["Normal", "Bright", "Other"], "activation": "softmax"},
    {"name": "west", "kind": "binary", "classes": ["TB"], "activation": "sigmoid"},
]


def make_ark(seed: int = 0, sets: list[dict[str, Any]] | None = None) -> ArkNetwork:
    """Heads large enough that answers differ from image to image."""
    torch.manual_seed(seed)
    net = ArkNetwork(**SIZES, sets=sets or SETS)
    for head in net.omni_heads:
        torch.nn.init.normal_(head.weight, std=2.0)
    net.plan = Plan("ark", {**SIZES, "sets": net.sets}, "paper", {"kind": "cxr"}, net.input_size, "CXR", sha256="abc")
    return net.eval()


def make_ark_cnn(seed: int = 0) -> ArkCnn:
    """The same heads over a convolutional network, which has seen some images: its norms are not those of a new one."""
    torch.manual_seed(seed)
    net = ArkCnn(**CNN, sets=SETS)
    for head in net.omni_heads:
        torch.nn.init.normal_(head.weight, std=2.0)
    with torch.no_grad():
        net.train()(torch.rand(8, 3, CNN["pixels"], CNN["pixels"]))
    net.plan = Plan("ark-cnn", {**CNN, "sets": net.sets}, "paper", {"kind": "cxr"}, net.input_size, "CXR", sha256="abc")
    return net.eval()


def save_ark(path: Path, seed: int = 0, make: Callable[[int], ArkEncoder] = make_ark) -> Path:
    net = make(seed)
    assert net.plan is not None
    save_weights(path, net.state_dict(), net.plan)
    return path


def save_pair(path: Path, student: int = 0, teacher: int = 1) -> Path:
    """As a training leaves it: student and teacher."""
    nets = {"student": make_ark(student), "teacher": make_ark(teacher)}
    tensors = {f"{part}.{name}": tensor for part, net in nets.items() for name, tensor in net.state_dict().items()}
    plan = nets["student"].plan
    assert plan is not None
    save_weights(path, tensors, plan)
    return path


def save_official(path: Path, student: int = 0, teacher: int = 1) -> Path:
    """A checkpoint as the authors' training writes it, with heads of the six public sets."""
    sets = [{"name": name, "kind": kind, "classes": list(classes)} for name, kind, classes in OFFICIAL_SETS]
    states = [make_ark(seed, sets).state_dict() for seed in (student, teacher)]
    named = {f"module.{name}": tensor for name, tensor in states[0].items()}
    torch.save({"epoch": 3, "lossMIN": 0.5, "state_dict": named, "teacher": states[1]}, path)
    return path
