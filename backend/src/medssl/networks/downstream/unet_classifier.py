"""Classification with the encoder of the 3D U-Net of Models Genesis."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from medssl.networks.unet3d import UNetEncoder


class UNetClassifier(UNetEncoder):
    """Pretrained encoder, global average, two linear layers: 16·base_width → hidden → classes.

    Args:
        base_width: channels of the first convolution.
        inputs: channels of the image.
        classes: logits per image (1 for a binary task).
        hidden: width of the layer between; 1024 in the released recipe.
        fidelity: "released" normalises by the statistics of the batch at hand, in evaluation too.

    Attributes:
        arguments: those above but fidelity, for `Plan.network`.
    """

    def __init__(
        self, base_width: int = 32, inputs: int = 1, classes: int = 1, hidden: int = 1024, fidelity: str = "paper"
    ) -> None:
        super().__init__(base_width, inputs, fidelity == "released")
        self.arguments: dict[str, Any] = {
            "base_width": base_width, "inputs": inputs, "classes": classes, "hidden": hidden,
        }  # fmt: skip
        self.dense_1 = nn.Linear(16 * base_width, hidden)
        self.dense_2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of x (N, inputs, i, j, k), 0…1, sides divisible by 8."""
        return self.classify(self.embed(x))

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits (N, classes) of `embed`'s answer."""
        return self.dense_2(functional.relu(self.dense_1(embedding)))

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`embedding` (N, 16·base_width) and `logits` (N, classes)."""
        embedding = self.embed(x)
        return {"embedding": embedding, "logits": self.classify(embedding)}

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, which comes last."""
        return [[module] for module in self.encoder()] + [[self.dense_1, self.dense_2]]

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [self.down_tr64, self.down_tr128, self.down_tr256, self.down_tr512]
