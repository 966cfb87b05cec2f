"""Run a compiled kernel over the samples of a batch in CPU memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


def on_cpu(batch: Tensor) -> bool:
    """Whether the compiled kernels serve this batch; every other device takes the vectorised ones."""
    return batch.device.type == "cpu" and batch.dtype == torch.float32


def each_sample(count: int, run: Callable[[int], None]) -> None:
    """Call `run(n)` for every sample, on as many threads as torch uses (`torch.set_num_threads`).

    Kernels release the GIL. Own threads rather than numba's, whose layers do not survive a fork or a second caller.
    """
    threads = min(torch.get_num_threads(), count)
    if threads <= 1:
        for n in range(count):
            run(n)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(count)))


def as_blocks(batch: Tensor) -> Tensor:
    """(N, C, *spatial) of one to three axes as contiguous (N, C, I, J, K): missing axes have length 1."""
    missing = 5 - batch.ndim
    return batch.detach().contiguous().reshape(*batch.shape, *(1,) * missing)


def boxes_as_blocks(values: Tensor, fill: int) -> Tensor:
    """(..., d) starts or sizes as (..., 3), missing axes filled: 0 for starts, 1 for sizes."""
    return torch.nn.functional.pad(values, (0, 3 - values.shape[-1]), value=fill).contiguous()


def as_seeds(seeds: Tensor) -> np.ndarray:
    """(N,) int64 seeds as numba reads them: uint64."""
    return seeds.numpy().view(np.uint64)
