"""Batch norms' running statistics, estimated anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn


@torch.no_grad()
def reestimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give every batch norm the mean statistics of these batches (N, C, *spatial); the network's mode stays.

    Running averages over small batches follow the last ones, which made single trainings go wrong; frozen norms, whose layers
    are in evaluation mode while the rest trains, are estimated too.
    """
    if not any(isinstance(module, _BatchNorm) and module.track_running_stats for module in network.modules()):
        return
    update_bn(batches, network)
