"""The exponential moving average of the weights of all steps."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average(AveragedModel):
    """torch's averaged copy of a network; running statistics of norms are averaged too.

    Args:
        network: what is averaged; its copy is `module`.
        decay: share of the average that a step keeps, such as 0.999: the last thousand steps count.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.requires_grad_(False)
