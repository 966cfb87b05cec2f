"""A network whose answer is known: the class of a voxel is told by its intensity alone."""

from __future__ import annotations

import torch
from torch import nn

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.networks.network import Network

CT = {"kind": "ct", "low": -1000.0, "high": 1000.0}
CXR = {"kind": "cxr"}
SEGMENTS = [
    {"value": 3, "name": "Fat", "colour": "#ffcc00", "terminology": ""},
    {"value": 7, "name": "Bone", "colour": "#eeeeee", "terminology": "Cat~SCT^1^Tissue~SCT^2^Bone~^^~~^^~^^"},
]
LEVELS = (0.4, 0.7)  # above: class 1, class 2


class Levels(Network):
    """Class 1 above 0.4, class 2 above 0.7; of slices with neighbours by the middle one."""

    def __init__(
        self,
        form: str = "3d",
        size: tuple[int, ...] = (16, 16, 8),
        modality: str = "CT",
        geometry: Geometry = Geometry("LPS", tilt=30.0),
        **task,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        task = {"name": "segmentation", "form": form, "segments": SEGMENTS, "overlap": 0.25, **task}
        rule = CXR if modality == "CXR" else CT
        self.plan = Plan("levels", {}, "paper", rule, size, modality, task, geometry=geometry)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        x = x[:, x.shape[1] // 2, None] * self.weight
        one, two = ((x - level) * 100 for level in LEVELS)
        return torch.cat([torch.zeros_like(x), one, one + two], dim=1)


def expected(scaled):
    """The values of an image in 0...1."""
    return 3 * ((scaled > LEVELS[0]) & (scaled <= LEVELS[1])) + 7 * (scaled > LEVELS[1])
