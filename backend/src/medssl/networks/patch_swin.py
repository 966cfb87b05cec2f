"""A Swin whose tokens describe the patches of a radiograph, without a head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from medssl.networks.downstream.swin_classifier import SwinBackbone


class PatchSwin(SwinBackbone):
    """The Swin of `SwinBackbone`; what it answers are its tokens.

    Args:
        width, patch, depths, heads, window, cells, drop_path, standard: see `SwinBackbone`.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        cells: tokens per side of an image.
        cell: pixels of a cell's sides.
    """

    answer = "tokens"

    def __init__(
        self,
        width: int = 128,
        patch: int = 4,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 7,
        cells: int = 14,
        drop_path: float = 0.1,
        fidelity: str = "paper",
        standard: str = "cxr",
    ) -> None:
        super().__init__(width, patch, depths, heads, window, cells, drop_path, standard)
        self.cells, self.cell = cells, self.side // cells

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, cells², D) of standardised images (N, 3, side, side), row by row, after the final norm."""
        return self.tokens(x)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """`tokens` (N, cells², D) and `embedding`, their mean (N, D)."""
        tokens = self.tokens(x)
        return {"tokens": tokens, "embedding": tokens.mean(dim=1)}
