"""What is done where memory runs out: let go of everything, and compute again in smaller parts."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from medssl.core.errors import ResourceError, out_of_memory
from medssl.training.checkpoints import Progress
from medssl.training.monitors import MonitorWarning

REMEDY = "Take a smaller crop, batch or network, or another device"

Result = TypeVar("Result")


def in_memory(compute: Callable[[], Result], smaller: Callable[[str], None], device: torch.device) -> Result:
    """What `compute` gives; where memory runs out, again after `smaller`, which hears what was said and may raise."""
    while True:
        try:
            return compute()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        gc.collect()  # here the error is gone, and with it the activations that its traceback held
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).empty_cache()
        smaller(said)


def divide(progress: Progress, batch_size: int, processes: int, said: str) -> MonitorWarning:
    """Micro-batches are computed in twice as many parts from now on; the warning that says so.

    Raises:
        ResourceError: parts cannot be smaller, or there are several processes, which would wait for this one.
    """
    single = progress.parts >= batch_size
    if single or processes > 1:
        whose = "one sample" if single else f"a micro-batch of {batch_size} samples in one of {processes} processes"
        raise ResourceError("memory", f"does not suffice for {whose} ({said})", REMEDY, code="out-of-memory")
    progress.parts = min(2 * progress.parts, batch_size)
    return MonitorWarning(
        "out-of-memory",
        f"memory ran out at step {progress.step} ({said}); from here on {-(-batch_size // progress.parts)} of the {batch_size} "
        "samples of a batch are computed at a time and their gradients summed: a step sees the same samples",
        f"{REMEDY}, if batch norms should see whole batches",
    )
