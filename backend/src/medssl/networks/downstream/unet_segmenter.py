"""Segmentation with the 3D U-Net of Models Genesis: every layer pretrained but the last."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from medssl.networks.unet3d import UNet3D


class UNetSegmenter(UNet3D):
    """The pretrained encoder-decoder with class logits in the place of restored intensities.

    Layer names are those of the official files; only `out_tr.final_conv` has another shape.

    Args:
        base_width: channels of the first convolution.
        inputs: channels of the image.
        classes: with background, which is class 0.
        fidelity: "released" normalises by the statistics of the batch at hand, in evaluation too.

    Attributes:
        arguments: those above but fidelity, for `Plan.network`.
    """

    answer = "logits"

    def __init__(self, base_width: int = 32, inputs: int = 1, classes: int = 2, fidelity: str = "paper") -> None:
        super().__init__(base_width, inputs, classes, fidelity)
        self.arguments: dict[str, Any] = {"base_width": base_width, "inputs": inputs, "classes": classes}

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, i, j, k) of x (N, inputs, i, j, k), 0…1, sides divisible by 8."""
        return self.out_tr.final_conv(self.decode(*self.encode(x)))

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`logits` (N, classes, i, j, k) and `bottleneck` (N, 16·base_width, i/8, j/8, k/8)."""
        features = self.encode(x)
        return {"logits": self.out_tr.final_conv(self.decode(*features)), "bottleneck": features[-1]}

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, which comes last."""
        return [
            [self.down_tr64], [self.down_tr128], [self.down_tr256], [self.down_tr512],
            [self.up_tr256], [self.up_tr128], [self.up_tr64], [self.out_tr],
        ]  # fmt: skip

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [self.down_tr64, self.down_tr128, self.down_tr256, self.down_tr512]
