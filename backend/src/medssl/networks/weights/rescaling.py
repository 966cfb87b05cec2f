"""Convolutions before a batch norm, brought to the size of new ones: the network answers as before, and learns as fast as a new one."""

from __future__ import annotations

import torch
from torch import nn

from medssl.networks.unet3d import Convolution


def convolution_norms(network: nn.Module) -> dict[str, float]:
    """The norm of the weights of each convolution that a batch norm follows, by module name."""
    return {name: float(module.conv1.weight.detach().norm()) for name, module in _followed(network).items()}


@torch.no_grad()
def rescale(network: nn.Module, norms: dict[str, float]) -> None:
    """Scale these convolutions to the given norms, and the running statistics after them alike.

    A batch norm undoes any scale of what comes before it, so that the network's answers stay (up to the norm's epsilon). What
    changes is how far an optimiser step turns the weights: pretraining lets them grow, and the larger they are the less a
    step of the same size does (van Laarhoven, "L2 regularization versus batch and weight normalization", 2017).

    Args:
        network: a U-Net.
        norms: of `convolution_norms` of the same network before any training.
    """
    for name, module in _followed(network).items():
        scale = norms[name] / max(float(module.conv1.weight.norm()), 1e-12)
        conv, norm = module.conv1, module.bn1
        assert conv.bias is not None and norm.running_mean is not None and norm.running_var is not None
        for tensor in (conv.weight, conv.bias, norm.running_mean):
            tensor.mul_(scale)
        norm.running_var.mul_(scale**2)


def _followed(network: nn.Module) -> dict[str, Convolution]:
    return {name: module for name, module in network.named_modules() if isinstance(module, Convolution)}
