"""The 3D U-Net of Models Genesis as a describer of places: a unit vector for every cell of a volume."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from medssl.core.errors import ConfigError
from medssl.networks.unet3d import UNetEncoder, Up

STRIDES = (2, 4)
FLAT, DARK = 0.02, 0.1  # a cell whose values differ by less and are all below shows nothing: air, covered borders


class DenseUNet(UNetEncoder):
    """Encoder and the decoder as far as the stride, then a 1×1×1 projection to unit vectors.

    Layer names are those of the U-Net, so that its weights fill all but the projection. At base width w it takes 27w + 236w²
    multiplications for each voxel of the image at stride 4, 27w + 460w² at stride 2; the whole decoder would take 908w².

    Args:
        base_width: channels of the first convolution; the bottleneck has 16 times as many.
        dimension: numbers of a descriptor.
        stride: voxels of a cell's sides: 2 or 4.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        stride, dimension: as given.

    Raises:
        ConfigError: another stride.
    """

    answer = "descriptors"

    def __init__(self, base_width: int = 32, dimension: int = 64, stride: int = 2, fidelity: str = "paper") -> None:
        super().__init__(base_width, 1, released=False)
        if stride not in STRIDES:
            raise ConfigError(f"stride = {stride}", "must be 2 or 4", "2 is the finer", code="setting-not-a-choice")
        w, self.stride, self.dimension, self.fidelity = base_width, stride, dimension, fidelity
        self.up_tr256 = Up(16 * w, 8 * w, False)
        self.up_tr128 = Up(8 * w, 4 * w, False) if stride == 2 else nn.Identity()
        self.project = nn.Conv3d((4 if stride == 2 else 8) * w, dimension, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Descriptors (N, dimension, i/stride, j/stride, k/stride) of unit length, of x (N, 1, i, j, k), 0…1, sides divisible by 8."""
        _skip64, skip128, skip256, bottleneck = self.encode(x)
        features = self.up_tr256(bottleneck, skip256)
        if self.stride == 2:
            features = self.up_tr128(features, skip128)
        return functional.normalize(self.project(features).float(), dim=1)


def visible_cells(images: Tensor, stride: int) -> Tensor:
    """(N, i/stride, j/stride, k/stride) bool: which cells of images (N, 1, i, j, k) in 0…1 show something."""
    high, low = functional.max_pool3d(images, stride), -functional.max_pool3d(-images, stride)
    return ((high - low > FLAT) | (high > DARK))[:, 0]
