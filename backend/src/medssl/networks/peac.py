"""The network of PEAC (Zhou et al., "Learning Anatomically Consistent Embedding for Chest Radiography", BMVC 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medssl.networks.network import Network
from medssl.networks.standardisation import standardised
from medssl.networks.swin import Swin, sizes_of
from medssl.networks.teacher import StudentTeacher

USUAL = {"head.weight": 196, "mlp.0.weight": 8192, "mlp_local.0.weight": 512}  # rows where a file lacks the head


class PeacNetwork(Network):
    """Swin with four heads: order, restoration, global and local embedding; 233.8 M parameters at the defaults.

    Layer names are those of the official files, at every size.

    Args:
        width: channels of the first Swin stage.
        patch: pixels of the first patches' sides; a cell is patch · 2^(stages − 1) pixels wide.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: tokens of an attention window's sides.
        cells: grid cells (last stage's tokens) per side of a crop.
        drop_path: chance that the last block is left out in training.
        global_hidden: width of the three layers of the global head.
        local_hidden: width of the three layers of the local head.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        cell: pixels of a cell's sides.
        side: pixels of a crop's sides, cells · cell.
        dimension: channels of a token.

    Raises:
        ConfigError: sizes that do not fit each other.
    """

    answer = "tokens"
    axes = 2
    standard = "cxr"
    embeddings = ("encoder",)

    def __init__(
        self,
        width: int = 128,
        patch: int = 4,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 7,
        cells: int = 14,
        drop_path: float = 0.1,
        global_hidden: int = 8192,
        local_hidden: int = 512,
        fidelity: str = "paper",
    ) -> None:
        super().__init__()
        self.cells, self.cell, self.fidelity = cells, patch * 2 ** (len(depths) - 1), fidelity
        self.side, self.dimension = cells * self.cell, width * 2 ** (len(depths) - 1)
        self.input_size = self.side, self.side
        # no computation uses `bias`; official files hold it. Without a gradient, it stays out of DDP's and the optimiser's way.
        self.bias = nn.Parameter(torch.zeros(cells**2), requires_grad=False)
        self.swin_model = Swin(self.side, patch, width, depths, heads, window, drop_path)
        self.mlp = _perceptron(self.dimension, global_hidden)
        self.mlp_local = _perceptron(self.dimension, local_hidden)
        self.head = nn.Linear(self.dimension, cells**2)
        self.decoder = nn.Sequential(nn.Conv2d(self.dimension, 3 * self.cell**2, 1), nn.PixelShuffle(self.cell))

    @staticmethod
    def standardise(images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as the network takes them (N, 3, S, S)."""
        return standardise(images)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, cells², D) of standardised images (N, 3, side, side), row by row, after the final norm."""
        return self.swin_model(x).flatten(1, 2)

    def tokens(self, x: Tensor) -> Tensor:
        """The same as `forward`."""
        return self(x)

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """The mean token (N, D)."""
        return self.tokens(x).mean(dim=1)

    def order(self, tokens: Tensor) -> Tensor:
        """Logits (N, cells², cells²) of the place that each token's cell came from."""
        return self.head(tokens)

    def restore(self, tokens: Tensor) -> Tensor:
        """The standardised image (N, 3, side, side) as it was before shuffling and distortion."""
        grid = tokens.transpose(1, 2).unflatten(2, (self.cells, self.cells))  # (N, D, cells, cells)
        return self.decoder(grid)

    def global_embedding(self, tokens: Tensor) -> Tensor:
        """One embedding (N, global_hidden) per image, not normalised."""
        return self.mlp(tokens.mean(dim=1))

    def local_embedding(self, tokens: Tensor) -> Tensor:
        """One embedding per cell (N, cells², local_hidden), not normalised."""
        return self.mlp_local(tokens)

    def outputs(self, x: Tensor, permutation: Tensor | None = None) -> dict[str, Tensor]:
        """Every head's answer to standardised images (N, 3, side, side).

        Args:
            x: the images.
            permutation: (N, cells²) integers; cell j of what the network sees is cell permutation[j] of the image.

        Returns:
            `order` (N · cells², cells²), `restored` (N, 3, side, side), `global` (N, G), `local` (N, cells², L).
        """
        tokens = self(x if permutation is None else permute_cells(x, permutation, self.cell))
        return {
            "order": self.order(tokens).flatten(0, 1),
            "restored": self.restore(tokens),
            "global": self.global_embedding(tokens),
            "local": self.local_embedding(tokens),
        }

    @staticmethod
    def arguments_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """Constructor arguments that fit the tensor shapes of a file (official names); the paper's where it is silent."""
        sizes = {name: (shapes.get(name) or (usual,))[0] for name, usual in USUAL.items()}
        return sizes_of(shapes, "swin_model.") | {
            "cells": isqrt(sizes["head.weight"]),
            "global_hidden": sizes["mlp.0.weight"],
            "local_hidden": sizes["mlp_local.0.weight"],
        }


class PeacOutputs(NamedTuple):
    """What the losses need of two crops (T = cells²); the leading 2 counts the crops."""

    order: Tensor  # (N, T, T), first crop
    restored: Tensor  # (N, 3, S, S), first crop
    student_global: Tensor  # (2, N, G)
    teacher_global: Tensor  # (2, N, G)
    student_local: Tensor  # (2, N, T, L)
    teacher_local: Tensor  # (2, N, T, L)
    student_tokens: Tensor  # (N, T, D), second crop: what inspections use


class PeacPair(StudentTeacher):
    """Student and teacher on two crops, with one forward pass each; heads that no loss asks for are left out."""

    student: PeacNetwork
    teacher: PeacNetwork

    def forward(self, first: Tensor, second: Tensor) -> PeacOutputs:
        """Both networks' answers to standardised crops (N, 3, S, S); the teacher's without gradient."""
        crops = torch.cat([first, second])
        tokens = self.student(crops)  # (2 N, T, D)
        of_first = tokens[: len(first)]
        with torch.no_grad():
            teacher_global, teacher_local = _embeddings(self.teacher, self.teacher(crops))
        student_global, student_local = _embeddings(self.student, tokens)
        return PeacOutputs(
            order=self.student.order(of_first),
            restored=self.student.restore(of_first),
            student_global=student_global,
            teacher_global=teacher_global,
            student_local=student_local,
            teacher_local=teacher_local,
            student_tokens=tokens[len(first) :],
        )


def standardise(images: Tensor) -> Tensor:
    """Three equal channels (N, 3, S, S) with the paper's mean and deviation, of images (N, 1, S, S) in 0…1."""
    return standardised(images, "cxr")


def permute_cells(images: Tensor, permutation: Tensor, cell: int) -> Tensor:
    """Images (N, C, S, S) whose cell j, counted row by row, is cell permutation[n, j] of image n."""
    n, channels, side, _ = images.shape
    count = side // cell
    cells = (
        images.reshape(n, channels, count, cell, count, cell).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    )  # (N, T, C, h, w)
    moved = cells[torch.arange(n, device=images.device)[:, None], permutation]
    return moved.unflatten(1, (count, count)).permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


def _embeddings(network: PeacNetwork, tokens: Tensor) -> tuple[Tensor, Tensor]:
    return (
        network.global_embedding(tokens).unflatten(0, (2, -1)),
        network.local_embedding(tokens).unflatten(0, (2, -1)),
    )


def _perceptron(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LayerNorm(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.LayerNorm(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width, bias=False),
    )
