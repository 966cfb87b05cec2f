"""Segmentation networks of MONAI under one face."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import prod
from typing import Any

import torch
from monai.networks.nets.basic_unet import BasicUNet
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from torch import Tensor, nn

from medssl.core.errors import ConfigError, ResourceError
from medssl.networks.network import Network

LEVELS = 5  # of the dynamic U-Net where its arguments do not say otherwise

Built = tuple[nn.Module, int]  # a network, and what divides the sides of its images
Settings = dict[str, Any]
Stages = list[list[nn.Module]]


class MonaiSegmenter(Network):
    """A segmentation network of MONAI, 2D or 3D; tensors are named as in MONAI, after `network.`.

    Args:
        name: "basic_unet" (Falk et al. 2019), "segresnet" (Myronenko 2018), "dynunet" (Isensee et al. 2021) or "swin_unetr"
            (Hatamizadeh et al. 2022).
        axes: 2 or 3.
        inputs: channels of the image.
        classes: with background, which is class 0.
        arguments: further arguments of MONAI's class, as it names them; its defaults where left out (`dynunet`: five levels of
            3-wide kernels).
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        settings: what MONAI's class was built with.
        size_divisor: of each side of an image.
        least_side: of an image, in one direction at least; below it the deepest level has one voxel, which instance norm refuses.
        one_size: what is recorded of a pass holds for images of that size only.
        arguments: those above but fidelity, for `Plan.network`.

    Raises:
        ConfigError: an unknown name, axes that are neither 2 nor 3, or arguments that MONAI does not take.
        ResourceError: the network needs a package that is not there.
    """

    def __init__(
        self,
        name: str = "basic_unet",
        axes: int = 3,
        inputs: int = 1,
        classes: int = 2,
        arguments: dict[str, Any] | None = None,
        fidelity: str = "paper",
    ) -> None:
        super().__init__()
        if name not in BUILDERS or axes not in (2, 3):
            raise ConfigError(
                f"network {name!r} with {axes} axes",
                "is not known here",
                f"Use {', '.join(BUILDERS)} with 2 or 3",
                code="network-unknown",
            )
        further = dict(arguments or {})
        self.name, self.axes = name, axes
        self.arguments: dict[str, Any] = {
            "name": name, "axes": axes, "inputs": inputs, "classes": classes, "arguments": further,
        }  # fmt: skip
        self.settings: Settings = {"spatial_dims": axes, "in_channels": inputs, "out_channels": classes, **further}
        try:
            self.network, self.size_divisor = BUILDERS[name][0](
                self.settings
            )  # which adds what MONAI has no default for
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{name} with {further}", f"cannot be built ({error})", "See MONAI's manual", code="network-arguments"
            ) from error
        self.least_side = 2 * self.size_divisor
        self.one_size = name == "swin_unetr"

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, …) of x (N, inputs, …), sides divisible by `size_divisor`."""
        return self.network(x)

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`logits` (N, classes, …)."""
        return {"logits": self(x)}

    def stages(self) -> Stages:
        """Modules from the input to the head, which comes last."""
        return BUILDERS[self.name][1](self.network)

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        return [module for stage in self.stages()[: BUILDERS[self.name][2](self.network)] for module in stage]


def _basic_unet(settings: Settings) -> Built:
    return BasicUNet(**settings), 16


def _basic_unet_stages(network: BasicUNet) -> Stages:
    return [[module] for module in network.children()]  # conv_0, down_1 … 4, upcat_4 … 1, final_conv


def _segresnet(settings: Settings) -> Built:
    network = SegResNet(**settings)
    return network, 2 ** (len(network.blocks_down) - 1)


def _segresnet_stages(network: SegResNet) -> Stages:
    down = [[layer] for layer in network.down_layers]
    up = [[sample, layer] for sample, layer in zip(network.up_samples, network.up_layers, strict=True)]
    return [[network.convInit], *down, *up, list(network.conv_final)]


def _dynunet(settings: Settings) -> Built:
    strides = settings.setdefault("strides", [1] + [2] * (LEVELS - 1))
    settings.setdefault("kernel_size", [3] * len(strides))
    settings.setdefault("upsample_kernel_size", strides[1:])
    network = DynUNet(**settings)
    skip_layers = network.skip_layers
    del network.skip_layers  # the same layers under second names, which files would hold twice: as a plain attribute
    network.__dict__["skip_layers"] = skip_layers
    axes = settings["spatial_dims"]
    by_axis = ([stride] * axes if isinstance(stride, int) else stride for stride in strides)
    return network, max(prod(sides) for sides in zip(*by_axis, strict=True))


def _dynunet_stages(network: DynUNet) -> Stages:
    down = [[layer] for layer in network.downsamples]
    up = [[layer] for layer in network.upsamples]
    return [[network.input_block], *down, [network.bottleneck], *up, [network.output_block]]


def _swin_unetr(settings: Settings) -> Built:
    if find_spec("einops") is None:
        raise ResourceError(
            "package einops",
            "is missing, and swin_unetr needs it",
            "Install it with pip install einops",
            code="package-missing",
        )
    with torch.device("cpu"):  # MONAI reads numbers from tensors, which the meta device does not have
        return SwinUNETR(**settings), 32


def _swin_unetr_stages(network: SwinUNETR) -> Stages:
    children = dict(network.named_children())
    transformer = children.pop("swinViT")
    stages = [[stage] for stage in transformer.children()]  # patch_embed, pos_drop, layers1 … 4
    head = children.pop("out")
    encoders = [module for name, module in children.items() if name.startswith("encoder")]
    return [*stages, encoders, *([module] for module in children.values() if module not in encoders), [head]]


Builder = tuple[Callable[[Settings], Built], Callable[[Any], Stages], Callable[[Any], int]]
BUILDERS: dict[str, Builder] = {  # how it is built, what its stages are, how many of them encode
    "basic_unet": (_basic_unet, _basic_unet_stages, lambda network: 5),
    "segresnet": (_segresnet, _segresnet_stages, lambda network: 1 + len(network.down_layers)),
    "dynunet": (_dynunet, _dynunet_stages, lambda network: 2 + len(network.downsamples)),
    "swin_unetr": (_swin_unetr, _swin_unetr_stages, lambda network: 1 + len(list(network.swinViT.children()))),
}
