"""What the loop asks of a method (genesis, peac, ark …). A method composes; the loop trains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.plan import Plan
from medssl.networks.weights.weight_files import WeightFile, fill
from medssl.training.monitors import MonitorWarning

Measure = Callable[[nn.Module], dict[str, float]]  # `validation_loss` and whatever else is worth a curve
Said = Callable[[int, int], None]  # (done, in all) of something that takes a while; may raise to stop
Views = Any  # what `views` makes and `loss` reads: a dataclass; the first axis of its tensors, lists of them too, is that of samples


class Method(Protocol):
    """One pretraining method, made as `Method(config, modality)`."""

    config: Any  # has `.training: TrainingConfig`

    def network(self) -> nn.Module:
        """The untrained network (student, teacher and heads in one module where there are several)."""

    def dataset(self, volumes: Sequence[Any], seed: int) -> Dataset:
        """Samples by number: `dataset[n]` is a function of (seed, n) alone."""

    def validation(self, volumes: Sequence[Any], seed: int) -> Dataset | Measure:
        """Fixed samples that `evaluate` measures; or a function that measures the network by itself."""

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """Fill the network from the weights that training begins with; what was taken, in words ("" where that is all)."""

    def groups(self, network: nn.Module) -> list[dict[str, Any]] | None:
        """Groups of parameters for the optimiser, see `make_optimizer`; None: those of every network."""

    def prepare(self, network: nn.Module, training: Sequence[Any], validation: Sequence[Any], said: Said) -> None:
        """Called once before the first step, with the network on its device and filled: to compute what all steps need."""

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> Views:
        """From raw samples on the device to what the network sees and should answer."""

    def loss(self, network: nn.Module, views: Views) -> dict[str, Tensor]:
        """Scalars; `loss` is minimised, the others are logged beside it."""

    def evaluate(self, network: nn.Module, views: Views) -> dict[str, Tensor]:
        """Scalars of one validation batch whose means over all batches `summarise` turns into values."""

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """`validation_loss`, `constant_mean_loss`, `output_variance` and whatever else is worth a curve; see `monitors.collapse`."""

    def rate_span(self, step: int) -> tuple[int, int]:
        """The steps, from and to before, over which the schedule of the learning rate runs that this step is in."""

    def before_step(self, network: nn.Module, step: int) -> None:
        """Called before each optimiser step, once the network is in training mode (to let a part of it rest, for instance)."""

    def after_step(self, network: nn.Module, step: int, steps: int) -> None:
        """Called after each optimiser step (an EMA teacher, for instance)."""

    def should_log(self, step: int) -> bool:
        """Whether the loss of this step is an event, however many steps there are."""

    def monitors(self) -> Sequence[MonitorWarning]:
        """Warnings since the last call; may raise where it is better to stop."""

    def plan(self) -> Plan:
        """What the trained weights' header says."""


class PlainMethod:
    """What a method does where it does nothing special."""

    config: Any

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """All tensors come from the file."""
        fill(network, file, partial)
        return ""

    def groups(self, network: nn.Module) -> list[dict[str, Any]] | None:
        """All parameters learn alike."""
        return None

    def prepare(self, network: nn.Module, training: Sequence[Any], validation: Sequence[Any], said: Said) -> None:
        """Nothing is computed beforehand."""

    def rate_span(self, step: int) -> tuple[int, int]:
        """One schedule for the whole training."""
        return 0, self.config.training.steps

    def before_step(self, network: nn.Module, step: int) -> None:
        """Nothing rests."""

    def after_step(self, network: nn.Module, step: int, steps: int) -> None:
        """Nothing follows: there is no teacher."""

    def should_log(self, step: int) -> bool:
        """No step is special."""
        return False

    def monitors(self) -> Sequence[MonitorWarning]:
        """Nothing happens outside the loop."""
        return ()
