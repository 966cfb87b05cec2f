"""The one training loop, for every method and task, on one process or many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.errors import CancelledError, ResourceError
from medssl.core.run import Run
from medssl.datasets.crops.loader import micro_batches
from medssl.networks.memory_format import channels_last
from medssl.networks.weights.weight_files import save_weights
from medssl.training import checkpoints
from medssl.training import monitors as monitors
from medssl.training.average import Average
from medssl.training.curve_log import CurveLog
from medssl.training.fabric import mean_over_processes
from medssl.training.method import Measure, Method
from medssl.training.optimisers import learning_rate, make_optimizer, part_of
from medssl.training.shortage import REMEDY, in_memory
from medssl.training.step import OptimiserStep
from medssl.training.views import divided

EVENTS_IN_ALL = 1000  # loss events of a whole training; the curve needs no more
LOOK_S = 5.0  # from one look for a cancel to the next, while images are validated


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
        self.step = OptimiserStep(fabric, method, run, network, self.network, self.optimizer, self.average)
        self.busy = 0.0  # seconds since the last loss event
        self.measured = 0  # steps since then
        self.values: dict[str, float] = {}  # of the last validation of this process
        self._looked = 0.0  # when it was last asked for a cancel in a validation

    def train(self, training: Dataset, validation: Dataset | Measure) -> None:
        """Run to the end; leaves `results/model.safetensors` (best on validation) and checkpoints.

        Args:
            training: samples by number.
            validation: fixed samples; or a function that measures a network by itself, on whole images say, in one process.

        Raises:
            CancelledError: a cancel was asked for; a checkpoint was written.
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
        if progress.unvalidated:
            self._end_step(validation, log)
        while progress.step < config.steps and not self._out_of_patience():
            start, rate = time.monotonic(), self._rate()
            terms = self.step.take(batches, progress, rate)
            progress.step += 1
            self.busy += time.monotonic() - start
            self.measured += 1
            progress.unvalidated = self._is_due(config.validate_every)
            if progress.step % every == 0 or progress.step == config.steps or self.method.should_log(progress.step - 1):
                self._report_loss(log, terms, rate)
            self._end_step(validation, log)

    def _end_step(self, validation: Dataset | Measure, log: Any) -> None:
        """Validate and save where it is due. A cancel comes before a validation, or in the midst of it: that may take longer
        than a cancelled process has to stop. What is resumed then begins with the validation.

        Raises:
            CancelledError: a cancel was asked for; a checkpoint was written.
        """
        if self.progress.unvalidated and not self.step.cancelled:
            self._validate(validation, log)
        if self.step.cancelled or self._is_due(self.config.checkpoint_every):
            self._save()
        if self.step.cancelled:
            raise CancelledError(f"training at step {self.progress.step}")

    def _is_due(self, every: int) -> bool:
        """After this step, which is one of so many, or the last."""
        return self.progress.step % every == 0 or self.progress.step == self.config.steps

    def _rate(self) -> float:
        progress = self.progress
        begin, end = self.method.rate_span(progress.step)
        config = part_of(self.config, begin, end)
        return learning_rate(config, progress.step - begin, progress.halvings, progress.validation_loss)

    def _out_of_patience(self) -> bool:
        return bool(self.config.patience) and self.progress.since_best >= self.config.patience

    @torch.no_grad()
    def _validate(self, validation: Dataset | Measure, log: Any) -> None:
        """Measure; keep the best weights; look for collapse. A cancel meanwhile leaves the network as it was before."""
        self.network.eval()
        self._kept.eval()
        buffers = [buffer.clone() for buffer in self._kept.buffers()]  # of norms that are estimated anew, perhaps
        self._looked = time.monotonic()
        try:
            values = self._in_memory(validation)
        except CancelledError:
            for buffer, before in zip(self._kept.buffers(), buffers):
                buffer.copy_(before)
            self.step.cancelled = True
            return
        self._judge(values)
        self.values = values
        self.progress.unvalidated = False
        if self.fabric.is_global_zero:
            self.run.emit("metric", step=self.progress.step, **values)
            log.write(self.progress.step, values)

    def _in_memory(self, validation: Dataset | Measure) -> dict[str, float]:
        """What validation gives; in smaller parts where memory runs out.

        Raises:
            ResourceError: a single sample is too much, or the method measures by itself. What was learnt is in a checkpoint.
            CancelledError: a cancel was asked for.
        """

        def smaller(said: str) -> None:
            if callable(validation) or self.progress.parts >= self.config.batch_size:
                self.progress.unvalidated = False  # resumed, it would fail again
                self._save()
                raise ResourceError(
                    "memory", f"does not suffice to measure the network on validation images ({said})",
                    f"{REMEDY}; resumed, the run goes on after this step", code="out-of-memory",
                )  # fmt: skip
            self.step.divide(self.progress, said)

        def measure() -> dict[str, float]:
            return self._measured(validation) if callable(validation) else self._mean_over_samples(validation)

        return in_memory(measure, smaller, self.fabric.device)

    def _measured(self, measure: Measure) -> dict[str, float]:
        """What the first process measures, sent to all; it looks for a cancel whenever the network is asked."""
        values: dict[str, float] | None = None
        if self.fabric.is_global_zero:
            looks = self._kept.register_forward_pre_hook(lambda *_: self._stop_if_asked())
            try:
                with self.fabric.autocast():
                    values = measure(self._kept)
            except CancelledError:  # which all must hear of
                values = None
            finally:
                looks.remove()
        values = self.fabric.broadcast(values)
        if values is None:
            raise CancelledError(f"validation at step {self.progress.step}")
        return values

    def _stop_if_asked(self, together: bool = False) -> None:
        """Look for a cancel, once in a while; `together`: all processes are here, and hear what the first one has seen.

        Raises:
            CancelledError: it was asked for.
        """
        asked = False
        if self.fabric.is_global_zero and time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            asked = self.run.cancel_requested()
        if together and self.fabric.world_size > 1:
            said = torch.tensor(float(asked), device=self.fabric.device)
            asked = mean_over_processes(self.fabric, {"cancel": said})["cancel"] > 0.0
        if asked:
            raise CancelledError(f"validation at step {self.progress.step}")

    def _mean_over_samples(self, dataset: Dataset) -> dict[str, float]:
        """Means over fixed samples with fixed distortions."""
        config = self.config
        numbers = list(range(config.validation_samples))
        groups = [numbers[n : n + config.batch_size] for n in range(0, len(numbers), config.batch_size)]
        mine = shared_out(len(groups), self.fabric.global_rank, self.fabric.world_size)
        sums: dict[str, Tensor] = {}
        batches = micro_batches(dataset, [groups[n] for n, _ in mine], workers=0, pin=False)
        network = self.network if self.average is None else self._in_precision(self._kept)
        for (n, counts), batch in zip(mine, batches):
            self._stop_if_asked(together=True)
            views = self.method.views(
                self.step.to_device(batch), seeds.generator(config.seed, "validation", n, self.fabric.device)
            )
            share = len(groups[n]) / len(numbers) * self.fabric.world_size if counts else 0.0
            for weight, part in divided(views, self.progress.parts):
                for name, value in self.method.evaluate(network, part).items():
                    sums[name] = sums.get(name, 0.0) + value.float() * (share * weight)
        return self.method.summarise(mean_over_processes(self.fabric, sums))

    def _in_precision(self, network: nn.Module) -> nn.Module:
        """A network as Fabric has set up the one that learns: computed in the precision of training, answers in fp32."""
        return _FabricModule(network, self.fabric.strategy, original_module=network).eval()

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
        looked_for = progress.step > monitors.collapse_from(self.config) and "constant_mean_loss" in values
        warning = monitors.collapse(values) if looked_for else None
        if warning and not progress.collapsed:
            self.step.warn(warning, progress)
        progress.collapsed = warning is not None

    @property
    def _kept(self) -> nn.Module:
        """The network whose weights are validated and kept: that which learns, or the average over its steps."""
        return self.bare if self.average is None else self.average.module

    @property
    def model_file(self) -> Path:
        """The best weights so far."""
        return self.run.folder / "results" / "model.safetensors"

    def _report_loss(self, log: Any, terms: dict[str, float], rate: float) -> None:
        if not self.fabric.is_global_zero:
            return
        config, step, seconds, steps = self.config, self.progress.step, max(self.busy, 1e-9), self.measured
        samples = steps * config.batch_size * config.accumulate * self.fabric.world_size
        shares = {"data_wait": self.step.waited / seconds, "augmenting": self.step.changing.seconds() / seconds}
        speed = {"samples_per_s": samples / seconds, **{name: min(1.0, share) for name, share in shares.items()}}
        self.run.emit("loss", step=step, learning_rate=rate, **terms, **speed)
        self.run.progress(
            step, config.steps, f"loss {terms['loss']:.4f}", eta_s=(config.steps - step) * seconds / steps
        )
        log.write(step, {**terms, "learning_rate": rate})
        self.step.waited = self.busy = 0.0
        self.measured = 0

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
        """This process's micro-batches from the current step to the end."""
        size, first = self.config.batch_size, self.progress.step
        numbers = (
            [self.step.micro(step, part) * size + n for n in range(size)]
            for step in range(first, self.config.steps)
            for part in range(self.config.accumulate)
        )
        pin = self.fabric.device.type == "cuda"
        return micro_batches(dataset, numbers, workers=self.config.workers, pin=pin)


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
