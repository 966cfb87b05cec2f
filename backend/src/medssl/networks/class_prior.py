"""A new head that answers, before any training, with how common each class is."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

LEAST_SHARE = 1e-4  # of a class that was not seen


@torch.no_grad()
def set_class_prior(network: nn.Module, names: Collection[str], shares: Tensor) -> tuple[str, ...]:
    """Set the biases of the convolutions that answer for the classes to the logarithm of the classes' shares.

    Else the first steps teach every feature that nearly all is background, and small classes may not be found again for hundreds
    of steps (Lin et al., ICCV 2017, who begin a detector so).

    Args:
        network: in which they are changed.
        names: of tensors in its state dict that may be changed.
        shares: (classes,) of the voxels, background first.

    Returns:
        Names of the biases.
    """
    logits = shares.clamp(min=LEAST_SHARE).log()
    changed = []
    for name, module in network.named_modules():
        answers = isinstance(module, (nn.Conv2d, nn.Conv3d)) and module.out_channels == len(shares)
        if answers and module.bias is not None and f"{name}.bias" in names:  # type: ignore[union-attr]
            module.bias.copy_(logits)  # type: ignore[union-attr, operator]
            changed.append(f"{name}.bias")
    return tuple(changed)
