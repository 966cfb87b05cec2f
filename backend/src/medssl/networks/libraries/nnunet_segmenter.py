"""Segmentation networks of `dynamic-network-architectures`, the library of nnU-Net, under one face."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medssl.core.errors import ConfigError, ResourceError
from medssl.core.plan import Plan
from medssl.networks.network import Network

POSITIONS = "network.eva.pos_embed"  # a row for each patch of a Primus
PACKAGE = "dynamic_network_architectures"
RESENC_L: dict[str, Any] = {  # the sizes of OpenMind's weights and of nnU-Net's ResEnc L (Isensee et al. 2024)
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 320, 320],
    "n_blocks_per_stage": [1, 3, 4, 6, 6, 6],
    "n_conv_per_stage_decoder": [1, 1, 1, 1, 1],
}
PLAIN: dict[str, Any] = {  # nnU-Net's default (Isensee et al. 2021)
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 320, 320],
    "n_conv_per_stage": [2, 2, 2, 2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2, 2, 2, 2],
}
PRIMUS_M = {  # Wald et al. 2025
    "embed_dim": 864, "patch_embed_size": [8, 8, 8], "eva_depth": 16, "eva_numheads": 12, "init_values": 0.1,
    "scale_attn_inner": True, "input_shape": [160, 160, 160],
}  # fmt: skip

Settings = dict[str, Any]
Stages = list[list[nn.Module]]


class NnunetSegmenter(Network):
    """A segmentation network of nnU-Net's library; tensors are named as there, after `network.`.

    Names that the library gives to the same tensor a second time are left out.

    Args:
        name: "resenc" (residual encoder, Isensee et al. 2024), "plain_unet" (Isensee et al. 2021), both 2D or 3D, or "primus"
            (a vision transformer, Wald et al. 2025), 3D.
        axes: 2 or 3.
        inputs: channels of the image.
        classes: with background, which is class 0.
        arguments: further arguments of the library's class, as it names them, and `norm`, "instance" or "batch"; those of
            ResEnc L, nnU-Net's plain U-Net and Primus M where left out. With `deep_supervision` a U-Net in training mode
            answers at every resolution but the lowest.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        size_divisor: of each side of an image.
        least_side: of an image, in one direction at least.
        one_size: Primus takes images of its `input_shape` only.
        input_size: that size.
        arguments: those above but fidelity, for `Plan.network`.

    Raises:
        ConfigError: an unknown name, axes that the network does not have, or arguments that the library does not take.
        ResourceError: the library is not there.
    """

    def __init__(
        self,
        name: str = "resenc",
        axes: int = 3,
        inputs: int = 1,
        classes: int = 2,
        arguments: dict[str, Any] | None = None,
        fidelity: str = "paper",
    ) -> None:
        super().__init__()
        if name not in BUILDERS or axes not in BUILDERS[name][1]:
            raise ConfigError(
                f"network {name!r} with {axes} axes", "is not known here", f"Use {', '.join(BUILDERS)}; primus with 3 axes",
                code="network-unknown",
            )  # fmt: skip
        if find_spec(PACKAGE) is None:
            raise ResourceError(
                "package dynamic-network-architectures", f"is missing, and {name} needs it",
                "Install it with pip install dynamic-network-architectures", code="package-missing",
            )  # fmt: skip
        further = dict(arguments or {})
        self.name, self.axes, self.deep = name, axes, bool(further.get("deep_supervision"))
        self.arguments: dict[str, Any] = {
            "name": name, "axes": axes, "inputs": inputs, "classes": classes, "arguments": further,
        }  # fmt: skip
        try:
            self.network = BUILDERS[name][0](axes, inputs, classes, further)
        except (TypeError, ValueError, AssertionError, IndexError) as error:
            raise ConfigError(
                f"{name} with {further}", f"cannot be built ({error})", "See the manual of dynamic-network-architectures",
                code="network-arguments",
            ) from error  # fmt: skip
        if name != "primus":
            self.network.apply(self.network.initialize)  # type: ignore[arg-type]  # as nnU-Net draws them
        _once(self.network, self.deep)
        self.size_divisor = _divisor(self.network, name, further)
        self.least_side = 2 * self.size_divisor
        if name == "primus":
            self.one_size = True
            self.input_size = tuple(further.get("input_shape", PRIMUS_M["input_shape"]))

    def resampled(self, name: str, tensor: Tensor, source: Plan) -> Tensor | None:
        """Positions (1, patches, channels) of the source's grid, interpolated to this Primus' grid; None for other tensors."""
        if self.name != "primus" or name != POSITIONS or source.network.get("name") != self.name:
            return None
        had, grid = _grid(source.network["arguments"]), _grid(self.arguments["arguments"])
        if had == grid or tensor.shape[1] != prod(had):
            return None
        volume = tensor.transpose(1, 2).reshape(1, tensor.shape[2], *had)
        moved = functional.interpolate(volume, grid, mode="trilinear", align_corners=False)
        return moved.flatten(2).transpose(1, 2).contiguous()

    def forward(self, x: Tensor) -> Any:
        """Logits (N, classes, …) of x (N, inputs, …), sides divisible by `size_divisor`.

        In training mode with deep supervision a list of them, of full resolution first.
        """
        if not self.deep:
            return self.network(x)
        decoder: Any = self.network.decoder
        decoder.deep_supervision = self.training
        answers = self.network(x)
        return answers[: max(1, len(answers) - 1)] if self.training else answers

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """`logits` (N, classes, …)."""
        return {"logits": self(x)}

    def stages(self) -> Stages:
        """Modules from the input to the head, which comes last."""
        return _primus_stages(self.network) if self.name == "primus" else _unet_stages(self.network)

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        network: Any = self.network
        return [network.down_projection, network.eva] if self.name == "primus" else [network.encoder]


def _grid(arguments: Settings) -> tuple[int, ...]:
    """Patches along each axis of a Primus with these arguments."""
    settings = {**PRIMUS_M, **arguments}
    return tuple(side // cell for side, cell in zip(settings["input_shape"], settings["patch_embed_size"], strict=True))


def _resenc(axes: int, inputs: int, classes: int, further: Settings) -> nn.Module:
    from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet

    return ResidualEncoderUNet(**_settings(axes, inputs, classes, {**RESENC_L, **further}))


def _plain(axes: int, inputs: int, classes: int, further: Settings) -> nn.Module:
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(**_settings(axes, inputs, classes, {**PLAIN, **further}))


def _settings(axes: int, inputs: int, classes: int, further: Settings) -> Settings:
    """The library's arguments: layers of these axes, nnU-Net's norm and activation."""
    further = dict(further)
    batch = further.pop("norm", "instance") == "batch"
    norms: dict[bool, dict[int, type[nn.Module]]] = {
        True: {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
        False: {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    }
    stages = further["n_stages"]
    return {
        "input_channels": inputs,
        "num_classes": classes,
        "conv_op": {2: nn.Conv2d, 3: nn.Conv3d}[axes],
        "kernel_sizes": [[3] * axes] * stages,
        "strides": [[1] * axes] + [[2] * axes] * (stages - 1),
        "conv_bias": True,
        "norm_op": norms[batch][axes],
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        **further,
    }


def _primus(axes: int, inputs: int, classes: int, further: Settings) -> nn.Module:
    from dynamic_network_architectures.architectures.primus import Primus

    settings = {**PRIMUS_M, **further}
    with torch.device("cpu"):  # the library reads numbers from tensors, which the meta device does not have
        return Primus(input_channels=inputs, num_classes=classes, rope_impl=RotaryPositions, **settings)


class RotaryPositions(nn.Module):
    """Sines and cosines by which a Primus turns queries and keys, of a grid of any number of axes.

    In the place of timm's class, whose newer versions cannot hold those of three axes; the numbers are timm's.

    Args:
        dim: two thirds of the channels of an attention head.
        feat_shape: patches along each axis.
        ref_feat_shape: of the grid whose distances count as one.
        in_pixels: as in timm.
    """

    def __init__(self, dim: int, feat_shape: list[int], ref_feat_shape: list[int], in_pixels: bool = False) -> None:
        super().__init__()
        from timm.layers.pos_embed_sincos import build_rotary_pos_embed

        shape, reference = list(feat_shape), list(ref_feat_shape)
        waves = build_rotary_pos_embed(shape, dim=dim, in_pixels=in_pixels, ref_feat_shape=reference)
        self.register_buffer("waves", torch.cat(waves, dim=-1), persistent=False)

    def get_embed(self, shape: list[int] | None = None) -> Tensor:
        """(patches, 2 · channels of a head): sines, then cosines."""
        waves: Tensor = self.waves  # type: ignore[assignment]
        return waves


def _once(network: nn.Module, deep: bool) -> None:
    """Take out second names of layers, which files would hold twice, and the heads that nothing is learnt by."""
    for module in network.modules():
        inside = module._modules
        second = "all_modules" if "conv" in inside else "encoder" if "seg_layers" in inside else ""
        if second in inside:
            module.__dict__[second] = inside.pop(second)  # as a plain attribute it goes on working
        if "seg_layers" in inside:
            *lower, last = inside["seg_layers"].children()  # type: ignore[union-attr]
            kept = [nn.Identity() if n == 0 or not deep else head for n, head in enumerate(lower)]  # lowest first
            inside["seg_layers"] = nn.ModuleList([*kept, last])


def _divisor(network: Any, name: str, further: Settings) -> int:
    if name == "primus":
        return max(further.get("patch_embed_size", PRIMUS_M["patch_embed_size"]))
    return max(prod(sides) for sides in zip(*network.encoder.strides, strict=True))


def _unet_stages(network: Any) -> Stages:
    encoder, decoder = network.encoder, network.decoder
    stem = [[encoder.stem]] if getattr(encoder, "stem", None) is not None else []
    up = [list(pair) for pair in zip(decoder.transpconvs, decoder.stages, strict=True)]
    return [*stem, *([stage] for stage in encoder.stages), *up, list(decoder.seg_layers)]


def _primus_stages(network: Any) -> Stages:
    *decode, last = network.up_projection.decode
    return [[network.down_projection], [network.eva], *([stage] for stage in decode), [last]]


BUILDERS: dict[str, tuple[Callable[[int, int, int, Settings], nn.Module], tuple[int, ...]]] = {  # and for how many axes
    "resenc": (_resenc, (2, 3)),
    "plain_unet": (_plain, (2, 3)),
    "primus": (_primus, (3,)),
}
