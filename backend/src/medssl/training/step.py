"""One optimiser step: gradients over its micro-batches, again in smaller parts or in fp32 where they fail, then the update."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import Precision
from torch import Tensor, nn

from medssl.core import seeds
from medssl.core.errors import MedSSLError, TrainingError
from medssl.core.run import Run
from medssl.training import monitors as monitors
from medssl.training.average import Average
from medssl.training.checkpoints import Progress
from medssl.training.fabric import mean_over_processes
from medssl.training.method import Method
from medssl.training.optimisers import set_rate
from medssl.training.shortage import divide, in_memory
from medssl.training.stopwatch import Stopwatch
from medssl.training.views import divided

Batch = dict[str, Tensor]


class OptimiserStep:
    """Takes the steps of a training, one by one.

    A step is a function of its number: what it repeats sees the same samples, changed in the same way, and the same dropout.

    Args:
        fabric, method, run: of the training.
        bare, network: the network, and as Fabric has set it up.
        optimizer: as Fabric has set it up.
        average: over the weights of all steps, where one is kept.

    Attributes:
        cancelled: someone asked to stop during the last step, or the validation after it.
        waited: seconds spent waiting for data; the caller sets it back.
        changing: time that the method spends changing samples.
    """

    def __init__(
        self,
        fabric: Fabric,
        method: Method,
        run: Run,
        bare: nn.Module,
        network: Any,
        optimizer: Any,
        average: Average | None,
    ) -> None:
        self.fabric, self.method, self.run, self.config = fabric, method, run, method.config.training
        self.bare, self.network, self.optimizer, self.average = bare, network, optimizer, average
        self.precision = fabric.strategy.precision.precision
        self.cancelled, self.waited, self.changing = False, 0.0, Stopwatch(fabric.device)

    def take(self, batches: Iterator[Batch], progress: Progress, rate: float) -> dict[str, float]:
        """One step over `accumulate` micro-batches; the mean of each loss term over all processes.

        Raises:
            TrainingError: loss or gradient was no finite number too often in a row, or a monitor stops the run.
            ResourceError: memory does not suffice for one sample.
        """
        set_rate(self.optimizer, rate, progress.step)
        self.network.train()
        self.method.before_step(self.bare, progress.step)
        kept = _Kept(self._timed(batches))
        buffers = [
            buffer.clone() for buffer in self.bare.buffers()
        ]  # running statistics, should it be repeated or skipped
        means = self._exchanged(self._gradients(kept, progress, buffers), progress)
        wrong = self._clip(means["loss"], progress)
        if wrong is not None and self.precision != "32-true":
            with self._in_fp32():
                self._forget(buffers)
                again = mean_over_processes(self.fabric, self._gradients(kept, progress, buffers))
                still_wrong = self._clip(again["loss"], progress)
                if still_wrong is None:
                    self._note_fp32(wrong, progress)
                    means, wrong = again, None
                    self._update(progress.step)
        elif wrong is None:
            self._update(progress.step)
        if wrong is not None:
            self._skip(wrong, buffers, progress)
        else:
            progress.non_finite = 0
        self.optimizer.zero_grad(set_to_none=True)
        return means

    def divide(self, progress: Progress, said: str) -> None:
        """Compute in smaller parts from now on, since memory ran out; see `shortage.divide`."""
        self.warn(divide(progress, self.config.batch_size, self.fabric.world_size, said), progress)

    def warn(self, warning: monitors.MonitorWarning, progress: Progress) -> None:
        """Send a warning, once for all processes."""
        if self.fabric.is_global_zero:
            said = {"code": warning.code, "message": warning.message, "remedy": warning.remedy}
            self.run.emit("warning", step=progress.step, **said)

    def micro(self, step: int, part: int) -> int:
        """The global number of a micro-batch: what it holds depends on nothing else."""
        return (step * self.config.accumulate + part) * self.fabric.world_size + self.fabric.global_rank

    def to_device(self, batch: Batch) -> Batch:
        """The batch on the device that computes."""
        return {name: value.to(self.fabric.device, non_blocking=True) for name, value in batch.items()}

    def _gradients(self, kept: _Kept, progress: Progress, buffers: list[Tensor]) -> dict[str, Tensor]:
        """Gradients of all micro-batches, and the mean of each loss term; in smaller parts where memory runs out."""

        def smaller(said: str) -> None:
            self._forget(buffers)
            self.divide(progress, said)

        return in_memory(lambda: self._backward(kept, progress), smaller, self.fabric.device)

    def _backward(self, kept: _Kept, progress: Progress) -> dict[str, Tensor]:
        config, step = self.config, progress.step
        sums: dict[str, Any] = {}
        torch.manual_seed(seeds.derive(config.seed, "network", step * self.fabric.world_size + self.fabric.global_rank))
        for number in range(config.accumulate):
            batch = self.to_device(kept[number])
            generator = seeds.generator(config.seed, "views", self.micro(step, number), self.fabric.device)
            with self.changing:
                views = self.method.views(batch, generator)
            parts = divided(views, progress.parts)
            for n, (share, part) in enumerate(parts):
                last = number == config.accumulate - 1 and n == len(parts) - 1
                with self.fabric.no_backward_sync(self.network, enabled=not last):
                    terms = self.method.loss(self.network, part)
                    self.fabric.backward(terms["loss"] / (config.accumulate / share))
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value.detach().float() / (config.accumulate / share)
        return sums

    def _exchanged(self, sums: dict[str, Tensor], progress: Progress) -> dict[str, float]:
        """Means over processes, and in the same exchange: has someone cancelled, has a monitor of one stopped the run?"""
        failure = self._monitored(progress)
        wanted = self.fabric.is_global_zero and self.run.cancel_requested()
        flags = {"cancel": float(wanted), "failed": float(failure is not None)}
        means = mean_over_processes(
            self.fabric, {**sums, **{n: torch.tensor(v, device=self.fabric.device) for n, v in flags.items()}}
        )
        self.cancelled = means.pop("cancel") > 0.0
        if means.pop("failed") > 0.0:
            raise failure or TrainingError("another process", "stopped this run", "Its log has the reason")
        return means

    def _monitored(self, progress: Progress) -> MedSSLError | None:
        """Warn of what the method's monitors found; the error where it wants to stop, which all processes must receive."""
        try:
            for warning in self.method.monitors():
                self.warn(warning, progress)
        except MedSSLError as error:
            return error
        return None

    def _clip(self, loss: float, progress: Progress) -> monitors.MonitorWarning | None:
        """Clip the gradient; a warning where loss or gradient is NaN or infinite: a broken one would ruin all weights."""
        in_a_row = progress.non_finite + 1
        warning = monitors.non_finite(loss, in_a_row)
        if warning is not None:
            return warning
        self._let_rest()
        norm = self._norm()
        scaled = (
            getattr(self.fabric.strategy.precision, "scaler", None) is not None
        )  # fp16: it skips such steps by itself
        return None if norm is None or scaled else monitors.non_finite(float(norm), in_a_row, "gradient")

    def _let_rest(self) -> None:
        """Drop the gradients of groups that do not learn yet: the others would be clipped by a norm that is not theirs.

        Where the rate itself is 0 all groups keep theirs: a gradient scaler wants to see some.
        """
        groups = self.optimizer.param_groups
        resting = [group for group in groups if group["lr"] == 0.0]
        for group in resting if len(resting) < len(groups) else ():
            for parameter in group["params"]:
                parameter.grad = None

    def _norm(self) -> Tensor | None:
        """The norm of the gradient before it is clipped."""
        if self.config.clip_gradient:
            return self.fabric.clip_gradients(
                self.network, self.optimizer, max_norm=self.config.clip_gradient, error_if_nonfinite=False
            )
        gradients = [p.grad for p in self.bare.parameters() if p.grad is not None]
        return nn.utils.get_total_norm(gradients) if gradients else None

    def _update(self, step: int) -> None:
        self.optimizer.step()
        self.method.after_step(self.bare, step, self.config.steps)
        if self.average is not None:
            self.average.update_parameters(self.bare)

    def _note_fp32(self, wrong: monitors.MonitorWarning, progress: Progress) -> None:
        """Say that a step was computed again: the first, the tenth, the hundredth … time."""
        progress.fp32_steps += 1
        count = progress.fp32_steps
        if str(count).rstrip("0") == "1":
            self.warn(monitors.retried(wrong, self.precision, count), progress)

    def _skip(self, warning: monitors.MonitorWarning, buffers: list[Tensor], progress: Progress) -> None:
        """Leave no trace of a step without finite numbers.

        Raises:
            TrainingError: it is the last of too many in a row.
        """
        self._restore(buffers)
        progress.non_finite += 1
        self.warn(warning, progress)
        if progress.non_finite >= monitors.MOST_NON_FINITE:
            raise TrainingError(
                f"loss or gradient at step {progress.step}",
                f"was NaN or infinite {progress.non_finite} times in a row",
                warning.remedy,
                code="loss-nan",
            )

    @contextmanager
    def _in_fp32(self) -> Iterator[None]:
        """Forward, backward and update without autocast and without a gradient scaler."""
        usual = self.fabric.strategy.precision
        self.fabric.strategy.precision = Precision()
        try:
            yield
        finally:
            self.fabric.strategy.precision = usual

    def _forget(self, buffers: list[Tensor]) -> None:
        """As before the step."""
        self.optimizer.zero_grad(set_to_none=True)
        self._restore(buffers)

    def _restore(self, buffers: list[Tensor]) -> None:
        for buffer, before in zip(self.bare.buffers(), buffers):
            buffer.copy_(before)

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            start = time.monotonic()
            batch = next(batches)
            self.waited += time.monotonic() - start
            yield batch


class _Kept:
    """The micro-batches of a step, kept until it is done: it may be computed again."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches, self._seen = batches, list[Batch]()

    def __getitem__(self, number: int) -> Batch:
        while len(self._seen) <= number:
            self._seen.append(next(self._batches))
        return self._seen[number]
