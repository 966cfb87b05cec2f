"""A fine-tuned network's layers: which learn, how fast, and what the head begins with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

LEAST_SHARE = 1e-4  # of a class that was not seen


class Staged(Protocol):
    """What every downstream network says of its layers."""

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the head, the last layer at the very end; together they hold every parameter once."""
        ...

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features."""
        ...


def parameter_groups(network: Staged, weight_decay: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Optimiser groups with a learning rate that falls with the distance from the head.

    The head learns at the full rate, the stage before it at `layer_decay` times the rate, and so on (Clark et al.,
    "ELECTRA", ICLR 2020; Bao et al., "BEiT", ICLR 2022). Biases and norm scales (1-D parameters) are not decayed. Frozen
    parameters are in, so that they can be thawed later: optimisers skip what has no gradient.

    Returns:
        Dicts with `params`, `weight_decay`, `lr_scale` (multiply the schedule's rate by it) and `head` (bool).
    """
    groups = []
    stages = network.stages()
    for distance, stage in enumerate(reversed(stages)):
        parameters = [parameter for module in stage for parameter in module.parameters()]
        for decay, params in (
            (weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if params:
                scale, head = layer_decay**distance, distance == 0
                groups.append({"params": params, "weight_decay": decay, "lr_scale": scale, "head": head})
    return groups


def rest_norms(network: Staged) -> None:
    """Batch norms of everything but the head keep to their running statistics until `train()` is called again."""
    for stage in network.stages()[:-1]:
        for module in stage:
            for layer in module.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()


def head_names(network: nn.Module, last: bool = False) -> set[str]:
    """Names of the head's tensors in the network's state dict; with `last`, of the layer that answers for the classes."""
    head = network.stages()[-1]  # type: ignore[operator]
    return names_of(network, head[-1 if last else 0 :])


def names_of(network: nn.Module, modules: list[nn.Module]) -> set[str]:
    """Names that the tensors of some of its modules have in the network's state dict."""
    chosen = {id(tensor) for module in modules for tensor in module.state_dict(keep_vars=True).values()}
    return {name for name, tensor in network.state_dict(keep_vars=True).items() if id(tensor) in chosen}


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
