"""Foundation Ark over a convolutional network of timm in the place of the Swin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from medssl.networks.ark import PROJECTOR, ArkEncoder
from medssl.networks.downstream.cnn_classifier import build_cnn, cnn_stages
from medssl.networks.standardisation import standardised


class ArkCnn(ArkEncoder):
    """A network of timm up to its pooled features, projector, one linear head for each dataset.

    Names are timm's below `network.`, as those of `CnnClassifier`, so that weights go from one to the other; projector and heads have the
    names of the official Ark.

    Args:
        name: timm's, of a convolutional network.
        pixels: of an image's sides.
        standard: mean and deviation of its images, a key of STANDARDS: that of the weights it begins with.
        projector: numbers of an embedding.
        sets: see `ArkNetwork`.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        network: timm's.
        side: pixels of an image's sides.
        dimension: numbers of a feature vector.

    Raises:
        ConfigError: no such network, two sets of one name, or a set without classes.
    """

    standard = "imagenet"

    def __init__(
        self,
        name: str = "tf_efficientnet_lite0",
        pixels: int = 224,
        standard: str = "imagenet",
        projector: int = PROJECTOR,
        sets: Iterable[Mapping[str, Any]] = (),
        fidelity: str = "paper",
    ) -> None:
        super().__init__()
        self.network, self.architecture = build_cnn(name, classes=0), name
        self.side, self.input_size, self.standard, self.fidelity = pixels, (pixels, pixels), standard, fidelity
        self.add_heads(self.network.num_features, projector, sets)

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as the network takes them: three equal channels (N, 3, S, S), then mean and deviation."""
        return standardised(images, self.standard)

    def places(self, x: Tensor) -> Tensor:
        """The last feature map (N, rows, columns, C) of standardised images."""
        return self.network.forward_features(x).movedim(1, -1)

    def pooled(self, places: Tensor) -> Tensor:
        """What timm's last layer would see (N, D) of a feature map."""
        return self.network.forward_head(places.movedim(-1, 1), pre_logits=True)

    def backbone_stages(self) -> list[list[nn.Module]]:
        """timm's own grouping."""
        return cnn_stages(self.network)

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [module for stage in self.backbone_stages() for module in stage]
