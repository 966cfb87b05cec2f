"""The exponential moving average of the weights of all steps."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average(AveragedModel):
    """torch's averaged copy of a network; running statistics of norms are averaged too, whole numbers (places of windows) are copied.

    Args:
        network: what is averaged; its copy is `module`.
        decay: share of the average that a step keeps, such as 0.999: the last thousand steps count.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.requires_grad_(False)

    def update_parameters(self, network: nn.Module) -> None:
        """Take a step of `network` into the average."""
        super().update_parameters(network)
        for mine, its in zip(self.module.buffers(), network.buffers()):
            if not mine.is_floating_point():  # torch averages these as well, and cuts off what is behind the point
                mine.copy_(its)
