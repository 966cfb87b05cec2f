"""Which part of an Ark learns, by the step: projector and heads first, then the last stages of the backbone, then all of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medssl.networks.ark import ArkEncoder
from medssl.pretraining.ark.config import ArkConfig


@dataclass(frozen=True)
class Phases:
    """The three phases of a run; the later ones may be missing.

    Attributes:
        heads_until: steps in which the backbone is frozen.
        last_until: steps until which only its last stages learn.
        last_stages: how many those are.
        rest_norms: its batch norms keep to their statistics throughout.
        restarts: whether the schedule of the learning rate begins anew when the backbone begins to learn.
    """

    heads_until: int
    last_until: int
    last_stages: int
    rest_norms: bool = False
    restarts: bool = False

    @classmethod
    def of(cls, config: ArkConfig, started: bool) -> Phases:
        """Of a configuration with steps; `started`: training begins with weights."""
        steps = config.training.steps
        heads = round(config.frozen_share * steps)
        last = min(steps, heads + round(config.last_share * steps))
        rest = config.batch_norms == "rest" or (config.batch_norms == "auto" and started)
        return cls(heads, last, config.last_stages, rest, config.rate_restarts)

    def frozen(self, step: int) -> bool:
        """Whether no stage of the backbone learns in this step."""
        return step < self.heads_until

    def rate_span(self, step: int, steps: int) -> tuple[int, int]:
        """The steps, from and to before, over which the schedule of the learning rate runs."""
        if not self.restarts:
            return 0, steps
        return (0, self.heads_until) if self.frozen(step) else (self.heads_until, steps)

    def learning(self, step: int, stages: int) -> int:
        """How many of so many stages, counted from the end, learn in this step."""
        if self.frozen(step):
            return 0
        return min(self.last_stages, stages) if step < self.last_until else stages

    def apply(self, network: ArkEncoder, step: int) -> None:
        """Let the stages learn or rest; one that rests has no gradient, and is in evaluation mode: no drop path, norms at rest.

        The network is in training mode already. Where there are no phases, nothing is touched.
        """
        if self.last_until:
            backbone = network.backbone_stages()
            resting = len(backbone) - self.learning(step, len(backbone))
            for number, stage in enumerate(backbone):
                for module in stage:
                    module.requires_grad_(number >= resting)
                    if number < resting:
                        module.eval()
        if self.rest_norms:
            _rest_batch_norms(network)


def _rest_batch_norms(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()
