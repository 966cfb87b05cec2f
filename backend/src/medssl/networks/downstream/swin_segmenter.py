"""Segmentation of radiographs and slices with the Swin transformer of PEAC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from medssl.core.errors import ConfigError
from medssl.networks.downstream.swin_classifier import SwinBackbone
from medssl.networks.pyramid_decoder import GROUPS, PyramidDecoder


class SwinSegmenter(SwinBackbone):
    """UPerNet's decoder over the outputs of all Swin stages, as in the papers' downstream segmentation.

    Args:
        width, patch, depths, heads, window, cells, drop_path, standard: see `SwinBackbone`.
        classes: with background, which is class 0.
        decoder_width: channels of the decoder, a multiple of 8.
        fidelity: recorded with the weights; the network is the same in both.

    Raises:
        ConfigError: sizes that do not fit each other.
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
        classes: int = 2,
        decoder_width: int = 128,
        fidelity: str = "paper",
        standard: str = "cxr",
    ) -> None:
        if decoder_width < 1 or decoder_width % GROUPS:
            raise ConfigError(
                f"decoder_width {decoder_width}",
                f"is no multiple of {GROUPS}",
                "Take 128",
                code="not-a-multiple-of-eight",
            )
        super().__init__(width, patch, depths, heads, window, cells, drop_path, standard)
        self.arguments |= {"classes": classes, "decoder_width": decoder_width}
        self.decoder = PyramidDecoder([width * 2**stage for stage in range(len(depths))], decoder_width)
        self.classifier = nn.Conv2d(decoder_width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, side, side) of standardised images (N, 3, side, side)."""
        logits = self.classifier(self.decoder(self.swin_model.pyramid(x)))  # (N, classes, side/patch, side/patch)
        return functional.interpolate(logits, x.shape[2:], mode="bilinear", align_corners=False)

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`logits` (N, classes, side, side)."""
        return {"logits": self(x)}

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, which comes last."""
        return [*self.swin_model.stages(), [self.decoder, self.classifier]]
