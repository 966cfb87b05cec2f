"""Run a kernel over the samples of a batch: compiled, sample by sample, on the CPU; vectorised on every other device."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor


def on_cpu(batch: Tensor) -> bool:
    """Whether the compiled kernels serve this batch."""
    return batch.device.type == "cpu" and batch.dtype == torch.float32


def map_samples(batch: Tensor, where: Tensor | None, kernel: Callable[[int, np.ndarray, np.ndarray], None]) -> Tensor:
    """Call `kernel(n, sample, out)` for every sample n, both (C, I, J, K); where `where` (N,) is False, copy instead.

    Kernels release the GIL and run on as many threads as torch uses (`torch.set_num_threads`). Own threads rather than
    numba's, whose layers survive neither a fork nor a second caller.
    """
    source = as_blocks(batch)
    out = torch.empty_like(source)
    samples, results = source.numpy(), out.numpy()
    chosen = [True] * len(samples) if where is None else where.tolist()

    def run(n: int) -> None:
        if chosen[n]:
            kernel(n, samples[n], results[n])
        else:
            results[n] = samples[n]

    threads = min(torch.get_num_threads(), len(samples))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, range(len(samples))))
    else:
        for n in range(len(samples)):
            run(n)
    return out.reshape(batch.shape)


def apply_on_device(
    batch: Tensor, params: Any, where: Tensor | None, function: Callable[[Tensor, Any], Tensor]
) -> Tensor:
    """`function(batch, params)` for the samples of `where` (N,), all at once; the others are copied."""
    if where is None:
        return function(batch, params)
    out, index = batch.clone(), where.nonzero().squeeze(1)
    if len(index):
        out[index] = function(batch[index], params[index])
    return out


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
