"""Classification of radiographs with the Swin transformer of PEAC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from medssl.networks.network import Network
from medssl.networks.standardisation import standardised
from medssl.networks.swin import Swin


class SwinBackbone(Network):
    """A Swin under the official names (`swin_model.…`), to which downstream networks add a head.

    Args:
        width: channels of the first Swin stage.
        patch: pixels of the first patches' sides.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: tokens of an attention window's sides.
        cells: last stage's tokens per side of an image.
        drop_path: chance that the last block is left out in training.
        standard: mean and deviation of its images, a key of STANDARDS: that of the weights it begins with.

    Attributes:
        side: pixels of an image's sides.
        dimension: channels of a token.
        arguments: those above, for `Plan.network`.

    Raises:
        ConfigError: sizes that do not fit each other.
    """

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
        standard: str = "cxr",
    ) -> None:
        super().__init__()
        self.side = cells * patch * 2 ** (len(depths) - 1)
        self.dimension = width * 2 ** (len(depths) - 1)
        self.input_size, self.standard = (self.side, self.side), standard
        self.arguments: dict[str, Any] = {
            "width": width, "patch": patch, "depths": list(depths), "heads": list(heads), "window": window,
            "cells": cells, "drop_path": drop_path, "standard": standard,
        }  # fmt: skip
        self.cells = cells
        self.swin_model = Swin(self.side, patch, width, depths, heads, window, drop_path)

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as the network takes them (N, 3, S, S)."""
        return standardised(images, self.standard)

    def tokens(self, x: Tensor) -> Tensor:
        """Tokens (N, cells², D) of standardised images (N, 3, side, side), row by row, after the final norm."""
        return self.swin_model(x).flatten(1, 2)

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """The mean token (N, D)."""
        return self.tokens(x).mean(dim=1)

    def backbone(self) -> Swin:
        """The Swin."""
        return self.swin_model

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [self.swin_model]


class SwinClassifier(SwinBackbone):
    """One linear layer over the mean token.

    Args:
        width, patch, depths, heads, window, cells, drop_path, standard: see `SwinBackbone`.
        classes: logits per image (1 for a binary task).
        fidelity: recorded with the weights; the network is the same in both.
    """

    def __init__(
        self,
        width: int = 128,
        patch: int = 4,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 7,
        cells: int = 14,
        drop_path: float = 0.1,
        classes: int = 1,
        fidelity: str = "paper",
        standard: str = "cxr",
    ) -> None:
        super().__init__(width, patch, depths, heads, window, cells, drop_path, standard)
        self.arguments["classes"] = classes
        self.classifier = nn.Linear(self.dimension, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of standardised images (N, 3, side, side)."""
        return self.classifier(self.embed(x))

    def places(self, x: Tensor) -> Tensor:
        """The patch tokens (N, side/patch, side/patch, width), before any attention."""
        return self.swin_model.patch_embed(x)

    def pooled(self, places: Tensor) -> Tensor:
        """The mean token (N, D) that all stages make of the patch tokens."""
        return self.swin_model.from_patches(places).flatten(1, 2).mean(dim=1)

    def class_logits(self, pooled: Tensor, head: int = 0) -> Tensor:
        """Logits (N, classes) of mean tokens (N, D)."""
        return self.classifier(pooled)

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`embedding` (N, D) and `logits` (N, classes)."""
        embedding = self.embed(x)
        return {"embedding": embedding, "logits": self.classifier(embedding)}

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, which comes last."""
        return [*self.swin_model.stages(), [self.classifier]]
