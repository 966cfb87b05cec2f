"""The Swin transformer of timm, laid out as in the original repository (Liu et al., ICCV 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isqrt
from typing import Any

from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from medssl.core.errors import ConfigError

TABLE = re.compile(r"layers\.(\d+)\.blocks\.\d+\.attn\.relative_position_bias_table")
DEEPEST = 100  # blocks of a stage; what a file's header announces is built before anything else is known of it


class Swin(SwinTransformer):
    """A Swin backbone whose last stage has one token per image cell.

    timm puts each downsampling at the start of a stage, the original repository, and with it the official files, at the end
    of the stage before. The modules are moved there, so that names are the official ones at every size; the arithmetic is
    the same. Derived buffers (`attn_mask`, `relative_position_index`) belong to the state dict, as in those files.

    Attention is timm's own: under a mask of relative positions scaled_dot_product_attention was no faster on processors, and
    up to a fifth slower in bf16.

    Args:
        side: pixels of the image's sides.
        patch: pixels of the first patches' sides.
        width: channels of the first stage; each further stage has twice as many.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: tokens of an attention window's sides.
        drop_path: chance that the last block is left out in training; it grows linearly from 0 at the first.

    Raises:
        ConfigError: sizes that do not fit each other.
    """

    def __init__(
        self,
        side: int,
        patch: int,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        drop_path: float,
    ) -> None:
        check_sizes(side, patch, width, depths, heads, window)
        super().__init__(
            img_size=side,
            patch_size=patch,
            embed_dim=width,
            depths=tuple(depths),
            num_heads=tuple(heads),
            window_size=window,
            drop_path_rate=drop_path,
            num_classes=0,
            global_pool="",
        )
        stages: list[Any] = list(self.layers)
        for stage, following in pairwise(stages):
            stage.downsample, following.downsample = following.downsample, nn.Identity()
        for stage in stages:
            for block in stage.blocks:
                block.register_buffer("attn_mask", block.attn_mask)  # timm registers both as not persistent
                block.attn.register_buffer("relative_position_index", block.attn.relative_position_index)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, rows, columns, D) of images (N, 3, side, side), after the final norm."""
        return self.from_patches(self.patch_embed(x))

    def from_patches(self, x: Tensor) -> Tensor:
        """The same of patch tokens (N, side/patch, side/patch, width), which no attention has seen."""
        stages: list[Any] = list(self.layers)
        for stage in stages:
            x = stage.downsample(stage.blocks(x))
        return self.norm(x)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Every stage's output (N, rows, columns, channels) before its downsampling, finest first; the last after the norm."""
        x, outputs = self.patch_embed(x), []
        stages: list[Any] = list(self.layers)
        for stage in stages:
            x = stage.blocks(x)
            outputs.append(x)
            x = stage.downsample(x)
        return [*outputs[:-1], self.norm(x)]

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input on; together they hold every parameter once."""
        *first, last = self.layers
        return [[self.patch_embed], *([stage] for stage in first), [last, self.norm]]


def sizes_of(shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> dict[str, Any]:
    """Width, patch, and (where a stage is there) depths, heads and window that fit a file's tensor shapes in the official names.

    Args:
        shapes: of all tensors.
        prefix: what the Swin's names begin with; a file without an embedding is taken for a Swin-B's.
    """
    tables: dict[int, list[tuple[int, ...]]] = {}  # of every stage, one per block
    for name, shape in shapes.items():
        if name.startswith(prefix) and (found := TABLE.fullmatch(name[len(prefix) :])) and len(shape) == 2:
            tables.setdefault(int(found[1]), []).append(shape)
    embedding = shapes.get(f"{prefix}patch_embed.proj.weight") or (128, 3, 4, 4)
    sizes: dict[str, Any] = {"width": embedding[0], "patch": embedding[-1]}
    if tables:
        stages = [tables[stage] for stage in sorted(tables)]
        sizes["depths"] = [len(stage) for stage in stages]
        sizes["heads"] = [stage[0][1] for stage in stages]
        sizes["window"] = (1 + isqrt(stages[0][0][0])) // 2  # a table has (2 window - 1)² entries
    return sizes


def check_sizes(side: int, patch: int, width: int, depths: Sequence[int], heads: Sequence[int], window: int) -> None:
    """Refuse what timm would pad, shrink or stumble over.

    Raises:
        ConfigError: with the size at fault.
    """
    if len(depths) != len(heads) or not depths:
        raise ConfigError(
            f"depths {tuple(depths)}, heads {tuple(heads)}",
            "need one number per stage",
            "Give both as many entries",
            code="stages-unequal",
        )
    if min(side, patch, width, window, *depths, *heads) < 1 or max(depths) > DEEPEST:
        raise ConfigError(
            f"width {width}, patch {patch}, depths {tuple(depths)}, heads {tuple(heads)}, window {window}",
            f"must be positive, and no stage deeper than {DEEPEST} blocks",
            "Take the numbers of a preset",
            code="network-arguments",
        )
    for stage, number in enumerate(heads):
        channels = width * 2**stage
        if channels % number:
            raise ConfigError(
                f"{number} heads in stage {stage + 1}",
                f"do not divide its {channels} channels",
                "Change heads or width",
                code="heads-do-not-divide",
            )
        tokens = side // (patch * 2**stage)
        if tokens % window or tokens * patch * 2**stage != side:
            raise ConfigError(
                f"window {window}",
                f"does not divide the {tokens} tokens per side of stage {stage + 1} (image side {side}, patch {patch})",
                "Choose window, patch and stages so that it divides every stage (window 7 fits 14 cells)",
                code="window-does-not-divide",
            )
