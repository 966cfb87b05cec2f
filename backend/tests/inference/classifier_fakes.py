"""A classifier whose answer is linear in the image."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from medssl.core.plan import Plan
from medssl.networks.network import Network

CT, CXR = {"kind": "ct", "low": -1000.0, "high": 1000.0}, {"kind": "cxr"}


class Linear(Network):
    """Logits and an embedding that are linear in the image's voxels."""

    embeddings = ("encoder",)

    def __init__(self, size, kind="binary", classes=("sick",), modality="CXR", fidelity="paper", **task) -> None:
        super().__init__()
        torch.manual_seed(0)
        count = int(np.prod(size))
        self.first, self.second = nn.Linear(count, 4), nn.Linear(4, len(classes))
        rule = CXR if modality == "CXR" else CT
        about = {"name": "classification", "kind": kind, "classes": list(classes), **task}
        self.plan = Plan("linear", {}, fidelity, rule, tuple(size), modality, about, sha256="abc")
        self.batches = []

    def embed(self, x, features=""):
        self.batches.append(len(x))
        return self.first(x.flatten(1))

    def forward(self, x):
        return self.second(self.embed(x))
