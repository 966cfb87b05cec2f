"""A small classifier and a small Ark that learnt in seconds to find a bright square on noise: the right place is known."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.inference.image_embedding import as_input
from medssl.networks.weights.weight_files import build_network

SWIN = {"width": 16, "patch": 4, "depths": [2, 2], "heads": [2, 4], "window": 7, "cells": 7, "drop_path": 0.0}
SIDE, SQUARE, STEPS = 56, 8, 130
CLASSES = ["dim", "bright"]
TASK = {"name": "classification", "kind": "multi-label", "classes": CLASSES, "temperature": {}, "thresholds": {}}
SETS = [
    {"name": "first", "kind": "multi-label", "classes": ["Mass", "Effusion"], "activation": "sigmoid"},
    {"name": "second", "kind": "multi-class", "classes": ["Normal", "Other", "Mass"], "activation": "softmax"},
]


def planted(seed: int, bright: bool = True) -> tuple[np.ndarray, tuple[int, int]]:
    """(SIDE, SIDE) float32 in 0...1, and the row and column of the square's middle."""
    random = np.random.default_rng(seed)
    image = random.normal(0.3, 0.05, (SIDE, SIDE)).clip(0, 1).astype(np.float32)
    row, column = (int(n) for n in random.integers(SQUARE, SIDE - 2 * SQUARE, 2))
    if bright:
        image[row : row + SQUARE, column : column + SQUARE] += 0.6
    return image.clip(0, 1), (row + SQUARE // 2, column + SQUARE // 2)


def as_volume(image: np.ndarray, **fields: Any) -> Volume:
    """As a reader gives an 8-bit picture, twice as large: small ones are refused."""
    pixels = np.kron(np.rint(255 * image.T), np.ones((2, 2)))
    return Volume(pixels.astype(np.int16), modality="CXR", name="planted", **fields)


@functools.cache
def classifier() -> nn.Module:
    """Knows `bright`; `dim` is its opposite."""
    plan = Plan("swin-classifier", {**SWIN, "classes": 2}, "paper", {"kind": "cxr"}, (SIDE, SIDE), "CXR", TASK)
    return _trained(plan, lambda net, x: net(x), [lambda y: torch.stack([1 - y, y], dim=1)])


@functools.cache
def ark() -> nn.Module:
    """Its first head calls the square Mass, and has never seen an Effusion; its second one chooses one of three."""
    plan = Plan("ark", {**SWIN, "projector": 24, "sets": SETS}, "paper", {"kind": "cxr"}, (SIDE, SIDE), "CXR")
    targets = [lambda y: torch.stack([y, 0 * y], dim=1), lambda y: nn.functional.one_hot(2 * y.long(), 3).float()]
    return _trained(plan, lambda net, x: torch.cat(net.logits(net.embed(x)), dim=1), targets)


def _trained(plan: Plan, answer: Any, targets: list[Any]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_network(plan)
    net.plan = plan
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 20)
        labels = torch.arange(16) % 2
        images = np.stack([planted(1000 + 16 * step + n, bool(label))[0] for n, label in enumerate(labels)])
        wanted = torch.cat([target(labels.float()) for target in targets], dim=1)
        loss = nn.functional.binary_cross_entropy_with_logits(answer(net, _seen(net, images)), wanted)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    assert loss.item() < 0.1, "the training of the fixture failed"
    return net.eval()


def _seen(net: nn.Module, images: np.ndarray) -> Tensor:
    return as_input(torch.from_numpy(images)[:, None], net)
