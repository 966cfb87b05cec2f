"""Small PEAC networks, and files of them as their authors would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from medssl.networks.patch_swin import PatchSwin
from medssl.networks.peac import PeacNetwork

SIZES: dict[str, Any] = dict(
    width=8, patch=2, depths=(2, 2), heads=(2, 4), window=7, global_hidden=24, local_hidden=16
)  # 28 × 28 tokens, then 14 × 14; 4-px cells, 56-px crops


def make_peac(seed: int = 0, **sizes: Any) -> PeacNetwork:
    torch.manual_seed(seed)
    return PeacNetwork(**{**SIZES, **sizes})


def make_patch_swin(seed: int = 0) -> PatchSwin:
    torch.manual_seed(seed)
    return PatchSwin(**{name: size for name, size in SIZES.items() if not name.endswith("hidden")})


def make_images(seed: int, side: int = 56, number: int = 2) -> Tensor:
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(seed))


def write_pair(path: Path, student: dict[str, Tensor], teacher: dict[str, Tensor], prefix: str = "module.") -> Path:
    """As a training of the authors leaves it: an optimiser and the epoch inside, the teacher without prefix."""
    moments = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    named = {prefix + name: tensor for name, tensor in student.items()}
    torch.save({"student": named, "teacher": dict(teacher), "optimizer": moments, "epoch": 399}, path)
    return path


def make_timm_swin(depths: tuple[int, ...] = (2, 2), window: int = 7, side: int = 56) -> SwinTransformer:
    """As timm makes it, with a classifier."""
    torch.manual_seed(5)
    heads = tuple(2**n for n in range(1, len(depths) + 1))
    return SwinTransformer(
        side, 2, embed_dim=8, depths=depths, num_heads=heads, window_size=window, num_classes=10
    ).eval()


def original_names(timm_state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as the original repository names them, derived buffers and all."""
    state = {name.replace("head.fc.", "head."): tensor for name, tensor in timm_state.items()}
    for name in [name for name in state if "downsample" in name]:
        stage = int(name.split(".")[1])
        state[name.replace(f"layers.{stage}.", f"layers.{stage - 1}.")] = state.pop(name)
    state["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 49, 49)  # of another image size
    return state
