"""The one training loop, for every method and task, on one process or many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.errors import CancelledError, MedSSLError, TrainingError
from medssl.core.run import Run
from medssl.datasets.crops.loader import micro_batches
from medssl.networks.memory_format import channels_last
from medssl.networks.weights.weight_files import save_weights
from medssl.training import checkpoints
from medssl.training import monitors as monitors
from medssl.training.average import Average
from medssl.training.curve_log import CurveLog
from medssl.training.method import Measure, Method
from medssl.training.optimisers import learning_rate, make_optimizer, set_rate
from medssl.training.stopwatch import Stopwatch

EVENTS_IN_ALL = 1000  # loss events of a whole training; the curve needs no more


class Loop:
    """Trains `method` until its steps are done, it stops improving, or someone cancels.

    Every process builds the same loop; only the first one writes.
    """

    def __init__(
        self,
        fabric: Fabric,
        method: Method,
        network: nn.Module,
        run: Run,
        groups: list[dict[str, Any]] | None = None,
    ) -> None:
        self.fabric, self.method, self.run, self.config = fabric, method, run, method.config.training
        if self.config.channels_last:
            network = channels_last(network)
        optimizer = make_optimizer(network, self.config, groups)
        self.bare = network
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.average = Average(network, self.config.ema) if self.config.ema else None
        self.progress = checkpoints.Progress()
        self.cancelled = False
        self.waited = self.busy = 0.0  # seconds since the last loss event: for data, and in all
        self.changing = Stopwatch(fabric.device)  # what the method does to the samples since then
        self.measured = 0  # steps since then

    def train(self, training: Dataset, validation: Dataset | Measure) -> None:
        """Run to the end; leaves `results/model.safetensors` (best on validation) and checkpoints.

        Args:
            training: samples by number.
            validation: fixed samples; or a function that measures a network by itself, on whole images say, in one process.
        """
        self._restore()
        with (
            CurveLog(self.run.folder / "results", self.progress.step)
            if self.fabric.is_global_zero
            else _Silent() as log
        ):
            self._train(training, validation, log)

    def _train(self, training: Dataset, validation: Dataset | Measure, log: Any) -> None:
        config, progress = self.config, self.progress
        batches = self._batches(training)
        every = max(1, config.steps // EVENTS_IN_ALL)
        while progress.step < config.steps and not self._out_of_patience():
            start, rate = time.monotonic(), self._rate()
            terms = self._step(batches, rate)
            progress.step += 1
            self.busy += time.monotonic() - start
            self.measured += 1
            if progress.step % every == 0 or progress.step == config.steps or self.method.should_log(progress.step - 1):
                self._report_loss(log, terms, rate)
            if progress.step % config.validate_every == 0 or progress.step == config.steps:
                self._validate(validation, log)
            if progress.step % config.checkpoint_every == 0 or progress.step == config.steps:
                self._save()
            if self.cancelled:
                self._save()
                raise CancelledError(f"training at step {progress.step}")

    def _rate(self) -> float:
        progress = self.progress
        return learning_rate(self.config, progress.step, progress.halvings, progress.validation_loss)

    def _out_of_patience(self) -> bool:
        return bool(self.config.patience) and self.progress.since_best >= self.config.patience

    def _step(self, batches: Iterator[dict[str, Tensor]], rate: float) -> dict[str, float]:
        """One optimiser step over `accumulate` micro-batches; the mean of each loss term over all processes."""
        config, step = self.config, self.progress.step
        sums: dict[str, Any] = {}
        set_rate(self.optimizer, rate, step)
        self.network.train()
        self.method.before_step(self.bare, step)
        torch.manual_seed(seeds.derive(config.seed, "network", step * self.fabric.world_size + self.fabric.global_rank))
        buffers = [buffer.clone() for buffer in self.bare.buffers()]  # running statistics, should the step be skipped
        for part in range(config.accumulate):
            batch = self._next(batches)
            generator = seeds.generator(config.seed, "views", self._micro(step, part), self.fabric.device)
            with self.changing:
                views = self.method.views(batch, generator)
            with self.fabric.no_backward_sync(self.network, enabled=part < config.accumulate - 1):
                terms = self.method.loss(self.network, views)
                self.fabric.backward(terms["loss"] / config.accumulate)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value.detach().float() / config.accumulate
        failure = self._monitored()
        wanted = self.fabric.is_global_zero and self.run.cancel_requested()  # sent to all in the same exchange
        flags = {"cancel": float(wanted), "failed": float(failure is not None)}
        means = self._mean({**sums, **{n: torch.tensor(v, device=self.fabric.device) for n, v in flags.items()}})
        self.cancelled = means.pop("cancel") > 0.0
        if means.pop("failed") > 0.0:
            raise failure or TrainingError("another process", "stopped this run", "Its log has the reason")
        if self._are_numbers(means["loss"]):
            self.optimizer.step()
            self.method.after_step(self.bare, step, config.steps)
            if self.average is not None:
                self.average.update_parameters(self.bare)
        else:
            for buffer, before in zip(self.bare.buffers(), buffers):
                buffer.copy_(before)
        self.optimizer.zero_grad(set_to_none=True)
        return means

    def _monitored(self) -> MedSSLError | None:
        """Warn of what the method's monitors found; the error where it wants to stop, which all processes must receive."""
        try:
            for warning in self.method.monitors():
                self._warn(warning)
        except MedSSLError as error:
            return error
        return None

    @torch.no_grad()
    def _validate(self, validation: Dataset | Measure, log: Any) -> None:
        """Measure; keep the best weights; look for collapse."""
        self.network.eval()
        self._kept.eval()
        values = self._measured(validation) if callable(validation) else self._mean_over_samples(validation)
        self._judge(values)
        if self.fabric.is_global_zero:
            self.run.emit("metric", step=self.progress.step, **values)
            log.write(self.progress.step, values)

    def _measured(self, measure: Measure) -> dict[str, float]:
        """What the first process measures, sent to all."""
        values: dict[str, float] = {}
        if self.fabric.is_global_zero:
            with self.fabric.autocast():
                values = measure(self._kept)
        return self.fabric.broadcast(values)

    def _mean_over_samples(self, dataset: Dataset) -> dict[str, float]:
        """Means over fixed samples with fixed distortions."""
        config = self.config
        numbers = list(range(config.validation_samples))
        groups = [numbers[n : n + config.batch_size] for n in range(0, len(numbers), config.batch_size)]
        mine = shared_out(len(groups), self.fabric.global_rank, self.fabric.world_size)
        sums: dict[str, Tensor] = {}
        batches = micro_batches(dataset, [groups[n] for n, _ in mine], workers=0, pin=False)
        for (n, counts), batch in zip(mine, batches):
            views = self.method.views(
                self._to_device(batch), seeds.generator(config.seed, "validation", n, self.fabric.device)
            )
            share = len(groups[n]) / len(numbers) * self.fabric.world_size if counts else 0.0
            for name, value in self.method.evaluate(
                self.network if self.average is None else self._kept, views
            ).items():
                sums[name] = sums.get(name, 0.0) + value.float() * share
        return self.method.summarise(self._mean(sums))

    def _judge(self, values: dict[str, float]) -> None:
        progress, loss = self.progress, values["validation_loss"]
        progress.validation_loss = values.get("student_validation_loss", loss)
        if loss < progress.best:
            progress.best, progress.since_best = loss, 0
            if self.fabric.is_global_zero:
                save_weights(self.model_file, self._kept.state_dict(), self.method.plan())
        else:
            progress.since_best += 1
            waited = progress.since_best * self.config.validate_every  # steps without improvement
            due = waited >= self.config.decay_every and waited % self.config.decay_every < self.config.validate_every
            if self.config.schedule == "plateau" and due:
                progress.halvings += 1
        started = progress.step > max(self.config.warmup_steps, self.config.steps // 10)
        warning = monitors.collapse(values) if started and "constant_mean_loss" in values else None
        if warning and not progress.collapsed:
            self._warn(warning)
        progress.collapsed = warning is not None

    @property
    def _kept(self) -> nn.Module:
        """The network whose weights are validated and kept: that which learns, or the average over its steps."""
        return self.bare if self.average is None else self.average.module

    @property
    def model_file(self) -> Path:
        """The best weights so far."""
        return self.run.folder / "results" / "model.safetensors"

    def _are_numbers(self, loss: float) -> bool:
        """Are loss and gradient numbers? The gradient is clipped on the way; one step with a broken one would ruin all weights."""
        in_a_row = self.progress.non_finite + 1
        warning = monitors.non_finite(loss, in_a_row)
        if warning is None and self.config.clip_gradient:
            norm = self.fabric.clip_gradients(
                self.network, self.optimizer, max_norm=self.config.clip_gradient, error_if_nonfinite=False
            )
            scaler = getattr(self.fabric.strategy.precision, "scaler", None)  # fp16: it skips such steps by itself
            if norm is not None and scaler is None:
                warning = monitors.non_finite(float(norm), in_a_row, "gradient")
        self.progress.non_finite = self.progress.non_finite + 1 if warning else 0
        if warning is None:
            return True
        self._warn(warning)
        if self.progress.non_finite >= monitors.MOST_NON_FINITE:
            raise TrainingError(
                f"loss or gradient at step {self.progress.step}",
                f"was NaN or infinite {self.progress.non_finite} times in a row",
                warning.remedy,
                code="loss-nan",
            )
        return False

    def _report_loss(self, log: Any, terms: dict[str, float], rate: float) -> None:
        if not self.fabric.is_global_zero:
            return
        config, step, seconds, steps = self.config, self.progress.step, max(self.busy, 1e-9), self.measured
        samples = steps * config.batch_size * config.accumulate * self.fabric.world_size
        shares = {"data_wait": self.waited / seconds, "augmenting": self.changing.seconds() / seconds}
        speed = {"samples_per_s": samples / seconds, **{name: min(1.0, share) for name, share in shares.items()}}
        self.run.emit("loss", step=step, learning_rate=rate, **terms, **speed)
        self.run.progress(
            step, config.steps, f"loss {terms['loss']:.4f}", eta_s=(config.steps - step) * seconds / steps
        )
        log.write(step, {**terms, "learning_rate": rate})
        self.waited = self.busy = 0.0
        self.measured = 0

    def _warn(self, warning: monitors.MonitorWarning) -> None:
        if self.fabric.is_global_zero:
            self.run.emit(
                "warning", step=self.progress.step, code=warning.code, message=warning.message, remedy=warning.remedy
            )

    def _save(self) -> None:
        """Write a checkpoint, unless weights are no longer numbers: the last good one is worth more."""
        if self.fabric.is_global_zero and all(t.isfinite().all() for t in self.bare.state_dict().values()):
            self.progress.precision = self.fabric.strategy.precision.state_dict()
            path = checkpoints.save_checkpoint(
                self.run.folder / "checkpoints", self.bare, self.optimizer.optimizer, self.progress, self.average
            )
            self.run.emit("checkpoint", step=self.progress.step, file=f"checkpoints/{path.name}")

    def _restore(self) -> None:
        loaded = checkpoints.load_newest(self.run.folder / "checkpoints") if self.run.resume else None
        if loaded is not None:
            self.progress = checkpoints.restore(loaded, self.bare, self.optimizer.optimizer, self.average)
            if self.progress.precision:
                self.fabric.strategy.precision.load_state_dict(self.progress.precision)
            if self.fabric.is_global_zero:
                self.run.emit("resumed", step=self.progress.step)

    def _batches(self, dataset: Dataset) -> Iterator[dict[str, Tensor]]:
        """This process's micro-batches from the current step to the end, on the device."""
        size, first = self.config.batch_size, self.progress.step
        numbers = (
            [self._micro(step, part) * size + n for n in range(size)]
            for step in range(first, self.config.steps)
            for part in range(self.config.accumulate)
        )
        pin = self.fabric.device.type == "cuda"
        for batch in micro_batches(dataset, numbers, workers=self.config.workers, pin=pin):
            yield self._to_device(batch)

    def _next(self, batches: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
        start = time.monotonic()
        batch = next(batches)
        self.waited += time.monotonic() - start
        return batch

    def _micro(self, step: int, part: int) -> int:
        """The global number of a micro-batch: what it holds depends on nothing else."""
        return (step * self.config.accumulate + part) * self.fabric.world_size + self.fabric.global_rank

    def _to_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.fabric.device, non_blocking=True) for name, value in batch.items()}

    def _mean(self, sums: dict[str, Tensor]) -> dict[str, float]:
        """Means over processes, with one exchange and one wait for the device."""
        stacked = torch.stack(list(sums.values()))
        if self.fabric.world_size > 1:
            stacked = torch.as_tensor(self.fabric.all_reduce(stacked, reduce_op="mean"))
        return dict(zip(sums, stacked.tolist()))


def shared_out(groups: int, rank: int, processes: int) -> list[tuple[int, bool]]:
    """The validation groups of one process, and whether each counts.

    Every process gets equally many, group 0 again where there are not enough: each forward of a distributed network is an
    exchange, and a process that makes one more waits for the others for ever.
    """
    turns = -(-groups // processes)
    return [(n if n < groups else 0, n < groups) for n in range(rank, turns * processes, processes)]


class _Silent:
    """The log of a process that does not write."""

    def write(self, step: int, values: dict[str, float]) -> None: ...

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *error: object) -> None: ...
