"""The batch size that fits into memory, where a configuration leaves it open; kept in the job folder, so that a resume uses it too."""

from __future__ import annotations

import dataclasses
import json
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.allocator import container_memory, return_memory
from medssl.core.errors import ResourceError
from medssl.core.files import read_json, write_atomic
from medssl.core.protocol import END_STATES, JobStatus, from_json
from medssl.core.run import Run
from medssl.datasets.crops.loader import micro_batches
from medssl.jobs.child import is_further_rank
from medssl.training.config import TrainingConfig
from medssl.training.fabric import choose_precision
from medssl.training.memory import GB, views_memory
from medssl.training.method import Method
from medssl.training.shortage import REMEDY

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LARGEST = {"cpu": 16}  # by the kind of device: a processor gains no speed by more; 64 on others
TRIAL = 4  # samples of the batch from which the memory of others is worked out
WORKER = 700_000_000  # bytes of a loader process
SPARE = 0.9  # of what is free, that is taken: others need some too
GROWTH = 100_000_000  # bytes by which a process on a CPU grows beside its steps: code of kernels, samples, logs
FILE = "batch.json"
SILENT_S = 600.0  # without a heartbeat of the first process, it is dead
LOOK_S = 0.2

Prepare = Callable[[Any], tuple[Method, Dataset]]


@dataclass(frozen=True)
class ChosenBatch:
    """`batch_size` samples, whose step needs so many bytes of those that it may take; `stated`: the size was not chosen here."""

    batch_size: int
    needed: int
    budget: int
    stated: bool = False

    def applied(self, config: Any) -> Any:
        """The configuration of a method or task with this batch size."""
        training = dataclasses.replace(config.training, batch_size=self.batch_size)
        return dataclasses.replace(config, training=training)

    def warnings(self) -> list[dict[str, str]]:
        """What the run says at its start: code, message, remedy."""
        need = f"a step is estimated to need {_gb(self.needed)} of the {_gb(self.budget)} that it may take"
        if not self.stated:
            said = f"batch size {self.batch_size} was chosen: {need}"
            return [
                {"code": "batch-size", "message": said, "remedy": "Set training.batch_size where runs are compared"}
            ]
        if self.needed <= self.budget:
            return []
        remedy = "Set training.batch_size to 0, which takes what fits, or raise training.memory"
        return [{"code": "memory-short", "message": f"batch size {self.batch_size}: {need}", "remedy": remedy}]


def choose_batch(config: Any, run: Run, prepare: Prepare) -> ChosenBatch | None:
    """The batch size of a run, the same after a resume; None where the configuration states it and no limit of memory.

    Args:
        config: of a method or task, with `training`.
        run: the first process decides, the others of a run read what it wrote.
        prepare: method and training samples of a configuration whose batch size is `TRIAL`.

    Raises:
        ResourceError: not even one sample fits.
    """
    training: TrainingConfig = config.training
    if training.batch_size and not training.memory:
        return None
    if run.device.partition(":")[0] == "cpu":
        return_memory(above=2**20)  # a heap would keep a tenth or a third in fragments
    path = run.folder / FILE
    if not path.exists():
        if is_further_rank():
            _wait_for(path)
        else:
            run.progress(0, training.steps, "estimating the memory of a step")
            trial = dataclasses.replace(training, batch_size=training.batch_size or TRIAL)
            method, samples = prepare(dataclasses.replace(config, training=trial))
            needed = step_bytes(method, samples, run.device)
            budget = step_budget(training, run.device)
            chosen = _chosen(training, needed, budget, run.device)
            write_atomic(path, json.dumps(dataclasses.asdict(chosen)).encode())
    return ChosenBatch(**read_json(path))


def step_bytes(method: Method, samples: Dataset, device: str) -> Callable[[int], int]:
    """Bytes of a step of so many samples: rehearsed with the views of a few real ones."""
    training: TrainingConfig = method.config.training
    batch = next(micro_batches(samples, [list(range(TRIAL))]))
    views = method.views(batch, seeds.generator(training.seed, "views"))
    precision = choose_precision(training.precision, device.partition(":")[0])
    memory = views_memory(
        method.network(),
        views,
        lambda net, seen: method.loss(net, seen)["loss"],
        precision,
        training.optimizer,
        training.ema > 0,
    )
    return lambda count: memory(count).total


def step_budget(training: TrainingConfig, device: str) -> int:
    """Bytes that a step may take: of what is stated, or else free, without what the process holds anyway."""
    stated = int(training.memory * GB)
    if device.partition(":")[0] != "cpu":
        free = int(SPARE * free_memory(device))
        return min(stated, free) if stated else free
    held = psutil.Process().memory_info().rss
    whole = held + int(SPARE * free_memory(device))
    limit = min(stated, whole) if stated else whole
    return limit - held - GROWTH - training.workers * WORKER


def free_memory(device: str) -> int:
    """Bytes of a device that nobody holds; on a CPU also within what a container allows."""
    kind, _, number = device.partition(":")
    if kind == "cuda":
        return int(torch.cuda.mem_get_info(int(number or 0))[0])
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free, container = psutil.virtual_memory().available, container_memory()
    return free if container is None else min(free, container[0] - container[1])


def _chosen(training: TrainingConfig, needed: Callable[[int], int], budget: int, device: str) -> ChosenBatch:
    if training.batch_size:
        return ChosenBatch(training.batch_size, needed(training.batch_size), budget, stated=True)
    sizes = [size for size in SIZES if size <= LARGEST.get(device.partition(":")[0], SIZES[-1])]
    fitting = bisect_right(sizes, budget, key=needed)
    if not fitting:
        raise ResourceError(
            f"a step on one sample, {_gb(needed(1))}", f"does not fit into the {_gb(budget)} that are left for it on {device}",
            f"{REMEDY}; or raise training.memory", code="memory-short",
        )  # fmt: skip
    return ChosenBatch(sizes[fitting - 1], needed(sizes[fitting - 1]), budget)


def _wait_for(path: Path) -> None:
    """Until the first process has written it, as long as that lives: it may read a large set for hours.

    Raises:
        ResourceError: it has ended, or gives no sign of life.
    """
    heard, heartbeat = time.monotonic(), 0.0
    while not path.exists():
        status = _status(path.parent)
        if status is not None and status.heartbeat != heartbeat:  # only compared with itself: clocks of machines differ
            heard, heartbeat = time.monotonic(), status.heartbeat
        ended = status is not None and status.state in END_STATES
        if ended or time.monotonic() - heard > SILENT_S:
            raise ResourceError(
                path, "was not written by the first process of the run", "See its log", code="rank-alone"
            )
        time.sleep(LOOK_S)


def _status(folder: Path) -> JobStatus | None:
    """What the job's first process says of itself; None where there is no job, or the disk stumbles."""
    try:
        return from_json(JobStatus, read_json(folder / "status.json"))
    except (OSError, ValueError):
        return None


def _gb(count: int) -> str:
    return f"{max(0, count) / GB:.1f} GB"
