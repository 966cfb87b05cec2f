"""The memory of one training step, found by rehearsing it on tensors without numbers: nothing is computed."""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medssl.networks.memory_format import FORMATS
from medssl.training.fabric import FABRIC_PRECISION
from medssl.training.views import divided, emptied, samples

GB = 10**9
PROCESS = (
    1_000_000_000  # bytes that a training process on a CPU holds before its first step: interpreter, torch, libraries
)
MARGIN = (
    1.2  # what allocators lose by fragments and kernels need beside: measured peaks lie below, see docs/experiments.md
)
STATES = {"adamw": 2, "sgd": 1}  # copies of the parameters that an optimiser keeps

Step = Callable[[nn.Module], Tensor]  # from a network to the loss of one micro-batch
Loss = Callable[[nn.Module, Any], Tensor]  # from a network and views


@dataclass(frozen=True)
class StepMemory:
    """Bytes at the worst moment of a step, on the device that computes.

    `network`: parameters, gradients, what the optimiser and an average of the weights keep; `step`: activations and all that
    comes and goes beside them.
    """

    network: int
    step: int

    @property
    def total(self) -> int:
        """An upper bound, with a margin for fragments; on a CPU `PROCESS` comes on top."""
        return int(MARGIN * (self.network + self.step))


def network_memory(
    network: nn.Module, shape: Sequence[int], precision: str = "fp32", optimizer: str = "adamw", ema: bool = False
) -> StepMemory:
    """The memory of a training step of `network` on images of `shape` (N, C, *spatial), with a loss like a mean square.

    The network may be on the device "meta" or any other; its tensors stay as they are. `precision`: fp32, bf16, fp16.
    """
    shape = tuple(shape)

    def step(rehearsed: nn.Module) -> Tensor:
        images = torch.empty(shape, memory_format=FORMATS.get(len(shape), torch.contiguous_format))
        answer = rehearsed(images)
        parts = [part for part in tree_leaves(answer) if isinstance(part, Tensor)]
        return torch.stack([part.float().square().mean() for part in parts]).sum()

    return step_memory(network, step, precision, optimizer, ema)


def views_memory(
    network: nn.Module, views: Any, loss: Loss, precision: str = "fp32", optimizer: str = "adamw", ema: bool = False
) -> Callable[[int], StepMemory]:
    """The memory of a training step on so many samples like those of `views` (at least two).

    Where a network or loss looks at numbers, which a rehearsal lacks, steps on one half and on all of the views are computed on
    the CPU, and others follow in proportion.
    """

    @cache
    def rehearsed(count: int) -> StepMemory:
        return step_memory(network, lambda net: loss(net, emptied(views, count)), precision, optimizer, ema)

    try:
        rehearsed(samples(views))
        return rehearsed
    except RuntimeError:
        halves = divided(views, 2)[0][1], views
    few, many = (
        step_memory(network, lambda net, seen=seen: loss(net, seen), precision, optimizer, ema, computed=True)  # type: ignore[misc]
        for seen in halves
    )
    first, last = (samples(seen) for seen in halves)
    slope = (many.step - few.step) / (last - first)
    return lambda count: replace(many, step=max(0, int(many.step + slope * (count - last))))


def step_memory(
    network: nn.Module,
    step: Step,
    precision: str = "fp32",
    optimizer: str = "adamw",
    ema: bool = False,
    computed: bool = False,
) -> StepMemory:
    """The memory of `step`, forwards and backwards, on a copy of `network` without numbers.

    Args:
        network: channels-last is assumed of one on "meta", as the loop lays it out.
        step: makes its own images (inside, tensors have no numbers) and gives the loss.
        precision: fp32, bf16 or fp16.
        optimizer: adamw or sgd.
        ema: whether an average of the weights is kept too.
        computed: the step is really computed, on the CPU.

    Raises:
        RuntimeError: a step that looks at numbers which are not there.
    """
    kind = FABRIC_PRECISION["fp32" if precision == "fp32" else "bf16"]  # a CPU has no fp16, which is as large
    fabric = Fabric(accelerator="cpu", devices=1, precision=kind)
    with warnings.catch_warnings(), nullcontext() if computed else FakeTensorMode(allow_non_fake_inputs=True):
        warnings.simplefilter("ignore")
        rehearsed = (copy.deepcopy(network) if computed else _without_numbers(network)).train()
        wrapped = fabric.setup_module(rehearsed, move_to_device=False)
        ledger = _Ledger()
        with ledger:
            for tensor in (*rehearsed.parameters(), *rehearsed.buffers()):
                ledger.hold(tensor)
            held = ledger.live
            fabric.backward(step(wrapped))
    learning = sum(_bytes(p) for p in rehearsed.parameters() if p.requires_grad)
    kept = held + learning * STATES[optimizer] + (held if ema else 0)
    return StepMemory(network=kept + learning, step=max(0, ledger.peak - held - learning))


class _Ledger(TorchDispatchMode):
    """Adds up the storages that operations make, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._sizes: dict[int, int] = {}

    def hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.live += storage.nbytes()
            weakref.finalize(storage, self._let_go, key)

    def _let_go(self, key: int) -> None:
        self.live -= self._sizes.pop(key, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(answer):
            if isinstance(tensor, Tensor):
                self.hold(tensor)
        beside = 0
        if "convolution" in str(func):  # the libraries lay images out anew, in blocks
            beside = sum(_bytes(tensor) for tensor in tree_leaves((args, answer)) if isinstance(tensor, Tensor))
        self.peak = max(self.peak, self.live + beside)
        return answer


def _without_numbers(network: nn.Module) -> nn.Module:
    """A copy, inside a mode in which tensors have no numbers; of a network on "meta" channels-last, as the loop lays it out."""
    emptied: dict[int, Any] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        strides = tensor.stride() if tensor.device.type != "meta" else _last(tensor.shape)
        empty = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype)
        learns = tensor.requires_grad
        emptied[id(tensor)] = nn.Parameter(empty, requires_grad=learns) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(network, emptied)


def _last(shape: Sequence[int]) -> tuple[int, ...]:
    return torch.empty(
        tuple(shape), device="meta", memory_format=FORMATS.get(len(shape), torch.contiguous_format)
    ).stride()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
