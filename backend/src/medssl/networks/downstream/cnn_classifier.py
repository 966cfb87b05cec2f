"""Classification of radiographs with the convolutional networks of timm, under timm's names."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg, group_modules
from torch import Tensor, nn

from medssl.core.errors import ConfigError
from medssl.networks.network import Network
from medssl.networks.standardisation import STANDARDS, USUAL, standardised


class CnnClassifier(Network):
    """A network of timm with its own global pooling and one linear layer; nothing is ever downloaded for it.

    Args:
        name: timm's, of a network that takes images of any size: resnet18, densenet121, convnext_tiny ...
        classes: logits per image (1 for a binary task); 0: no last layer, as in files whose classes nobody here asks for.
        pixels: of an image's sides.
        standard: mean and deviation of its images, a key of STANDARDS: that of the weights it begins with.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        network: timm's.
        side: pixels of an image's sides.
        arguments: those above but fidelity, for `Plan.network`.

    Raises:
        ConfigError: no such network, or one that is no convolutional network.
    """

    axes = 2
    standard = USUAL
    embeddings = ("encoder",)

    def __init__(
        self,
        name: str = "resnet18",
        classes: int = 1,
        pixels: int = 224,
        standard: str = USUAL,
        fidelity: str = "paper",
    ) -> None:
        super().__init__()
        self.network = build_cnn(name, classes)
        if isinstance(head := self.network.get_classifier(), nn.Linear):
            head.reset_parameters()  # timm's follow the number of classes in EfficientNets: of few they answer at random, and loudly
        self.side, self.input_size, self.standard = pixels, (pixels, pixels), standard
        self.arguments: dict[str, Any] = {"name": name, "classes": classes, "pixels": pixels, "standard": standard}

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as the network takes them: three equal channels (N, 3, S, S), then mean and deviation."""
        return standardised(images, self.standard)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of standardised images (N, 3, S, S)."""
        return self.network(x)

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """What the last layer sees (N, D)."""
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`embedding` (N, D) and `logits` (N, classes)."""
        seen = self.network.forward_features(x)
        return {
            "embedding": self.network.forward_head(seen, pre_logits=True),
            "logits": self.network.forward_head(seen),
        }

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, which comes last: timm's own grouping for layer decay."""
        return [*cnn_stages(self.network), [self.network.get_classifier()]]

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [module for stage in self.stages()[:-1] for module in stage]


def check_name(name: str) -> None:
    """Refuse what is no convolutional network of timm.

    Raises:
        ConfigError: names those that are called nearly so.
    """
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), 3)
        remedy = f"Did you mean {' or '.join(close)}?" if close else "Take resnet18, densenet121 or convnext_tiny"
        raise ConfigError(f"cnn = {name!r}", "is no network of timm", remedy, code="network-unknown")
    about = get_pretrained_cfg(name)
    if about is None or about.fixed_input_size or len(about.input_size) != 3 or about.input_size[0] != 3:
        raise ConfigError(
            f"cnn = {name!r}", "does not take colour images of any size, as convolutional networks do",
            "Take resnet18, densenet121 or convnext_tiny; a Swin transformer is the network swin", code="network-unknown",
        )  # fmt: skip


def standard_of(name: str) -> str:
    """The key of STANDARDS in which timm says that a network's weights saw images; "imagenet" where it says another."""
    about = get_pretrained_cfg(name)
    said = (tuple(about.mean), tuple(about.std)) if about else ()
    return next((key for key, values in STANDARDS.items() if values == said), "imagenet")


def build_cnn(name: str, classes: int) -> Any:
    """The untrained network of timm with so many classes; 0: without a last layer.

    Raises:
        ConfigError: see `check_name`.
    """
    check_name(name)
    try:
        return timm.create_model(name, pretrained=False, num_classes=classes)
    except RuntimeError:  # some initialise in ways that the meta device does not know
        with torch.device("cpu"):
            network = timm.create_model(name, pretrained=False, num_classes=classes)
        return network.to(torch.empty(0).device)


def cnn_stages(network: Any) -> list[list[nn.Module]]:
    """Modules of a network of timm from the input on, all but the last layer: timm's own grouping for layer decay."""
    modules, head = dict(network.named_modules()), network.get_classifier()
    groups = group_modules(network, network.group_matcher(coarse=True)).values()
    stages = [[name for name in names if modules[name] is not head] for names in groups]
    return [[modules[name] for name in _outermost(names)] for names in stages if names]


def _outermost(names: list[str]) -> list[str]:
    """Names of modules without those that lie in another one of them."""
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]
