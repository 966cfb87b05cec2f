"""The 3D U-Net of Models Genesis (Zhou et al., Medical Image Analysis 67, 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medssl.networks.network import Network


class BatchNorm(nn.BatchNorm3d):
    """Batch norm that can keep to the statistics of the batch at hand, even in evaluation.

    The released Models Genesis does so (fidelity "released"); the paper's form uses running statistics.
    """

    def __init__(self, channels: int, batch_statistics: bool) -> None:
        super().__init__(channels)
        self.batch_statistics = batch_statistics

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not self.batch_statistics:
            return super().forward(x)
        return functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


class Convolution(nn.Module):
    """3×3×3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, batch_statistics: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, kernel_size=3, padding=1)
        self.bn1 = BatchNorm(outputs, batch_statistics)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn1(self.conv1(x)), inplace=True)


class Down(nn.Module):
    """Two convolutions; the first keeps half of the final channels."""

    def __init__(self, inputs: int, outputs: int, batch_statistics: bool) -> None:
        super().__init__()
        middle = max(inputs, outputs // 2)
        self.ops = nn.Sequential(
            Convolution(inputs, middle, batch_statistics), Convolution(middle, outputs, batch_statistics)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.ops(x)


class Up(nn.Module):
    """Transposed convolution to twice the size, then two convolutions over it and the skipped features."""

    def __init__(self, inputs: int, skipped: int, batch_statistics: bool) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(inputs, inputs, kernel_size=2, stride=2)
        self.ops = nn.Sequential(
            Convolution(inputs + skipped, skipped, batch_statistics), Convolution(skipped, skipped, batch_statistics)
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.ops(torch.cat([self.up_conv(x), skip], dim=1))


class Output(nn.Module):
    """1×1×1 convolution and sigmoid."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.final_conv = nn.Conv3d(inputs, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.final_conv(x))


class UNetEncoder(Network):
    """The half that downstream classifiers keep: four levels with three poolings between them.

    Args:
        base_width: channels of the first convolution; the bottleneck has 16 times as many.
        inputs: channels of the image.
        released: normalise by the statistics of the batch at hand, in evaluation too.
    """

    size_divisor = 8
    embeddings = ("encoder",)

    def __init__(self, base_width: int, inputs: int, released: bool) -> None:
        super().__init__()
        w = base_width
        self.down_tr64 = Down(inputs, 2 * w, released)
        self.down_tr128 = Down(2 * w, 4 * w, released)
        self.down_tr256 = Down(4 * w, 8 * w, released)
        self.down_tr512 = Down(8 * w, 16 * w, released)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features with 2, 4, 8 and 16 · base_width channels, each half the size of the one before."""
        skip64 = self.down_tr64(x)
        skip128 = self.down_tr128(functional.max_pool3d(skip64, 2))
        skip256 = self.down_tr256(functional.max_pool3d(skip128, 2))
        return skip64, skip128, skip256, self.down_tr512(functional.max_pool3d(skip256, 2))

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """The mean (N, 16·base_width) of the bottleneck."""
        return self.encode(x)[-1].mean(dim=(2, 3, 4))


class UNet3D(UNetEncoder):
    """Encoder-decoder with three poolings; 19 073 665 parameters at `base_width` 32.

    Layer names are those of the official files (`down_tr64` stays `down_tr64` at every width).

    Args:
        base_width: channels of the first convolution; the bottleneck has 16 times as many.
        fidelity: "released" normalises by the statistics of the batch at hand, in evaluation too.
    """

    answer = "restored image"

    def __init__(self, base_width: int = 32, inputs: int = 1, outputs: int = 1, fidelity: str = "paper") -> None:
        w, released = base_width, fidelity == "released"
        super().__init__(w, inputs, released)
        self.up_tr256 = Up(16 * w, 8 * w, released)
        self.up_tr128 = Up(8 * w, 4 * w, released)
        self.up_tr64 = Up(4 * w, 2 * w, released)
        self.out_tr = Output(2 * w, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Restore x (N, inputs, i, j, k), 0…1, sides divisible by 8, to (N, outputs, i, j, k), 0…1."""
        return self.outputs(x)["output"]

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`output` (N, outputs, i, j, k) and `bottleneck` (N, 16·base_width, i/8, j/8, k/8)."""
        features = self.encode(x)
        return {"output": self.out_tr(self.decode(*features)), "bottleneck": features[-1]}

    def decode(self, skip64: Tensor, skip128: Tensor, skip256: Tensor, bottleneck: Tensor) -> Tensor:
        """The last features (N, 2·base_width, i, j, k), of what `encode` gives."""
        x = self.up_tr256(bottleneck, skip256)
        x = self.up_tr128(x, skip128)
        return self.up_tr64(x, skip64)

    @staticmethod
    def arguments_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """Constructor arguments that fit the tensor shapes of a file (official names)."""
        first = [shape for name, shape in shapes.items() if name.startswith("down_tr64.ops.0.") and shape]
        width = first[0][0] if first else 32  # any tensor of the layer tells, should one be missing
        inputs = (*shapes.get("down_tr64.ops.0.conv1.weight", ()), width, 1)[1]
        outputs = (*shapes.get("out_tr.final_conv.weight", ()), 1)[0]
        return {"base_width": width, "inputs": inputs, "outputs": outputs}
