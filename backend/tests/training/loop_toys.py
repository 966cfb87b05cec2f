"""A method of milliseconds on rows of numbers, to try the loop on: a small network with batch norm and dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fakes import FakeRun
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.plan import Plan
from medssl.training.config import TrainingConfig
from medssl.training.fabric import FABRIC_PRECISION
from medssl.training.loop import Loop
from medssl.training.method import PlainMethod

TRAINING = TrainingConfig(
    steps=6, batch_size=8, validate_every=6, validation_samples=8, checkpoint_every=2, warmup_steps=1, precision="fp32",
    channels_last=False, schedule="constant", learning_rate=1e-2,
)  # fmt: skip


class Rows(Dataset):
    def __getitem__(self, n: int) -> dict[str, Any]:
        return {"raw": torch.randn(8, generator=torch.Generator().manual_seed(n)), "index": n}


@dataclass(frozen=True)
class RowViews:
    rows: Tensor
    index: Tensor


class Toy(PlainMethod):
    """`before_loss(samples)` is called before each loss and each evaluation, and may fail."""

    def __init__(self, training: TrainingConfig, before_loss: Callable[[int], None] = lambda _: None) -> None:
        self.config, self.before_loss = SimpleNamespace(training=training), before_loss
        self.seen: list[list[int]] = []  # samples of each call of `views`

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> RowViews:
        self.seen.append(batch["index"].tolist())
        return RowViews(batch["raw"] + 0.1 * torch.randn(batch["raw"].shape, generator=generator), batch["index"])

    def loss(self, network: nn.Module, views: RowViews) -> dict[str, Tensor]:
        self.before_loss(len(views.rows))
        return {"loss": (network(views.rows).float()[:, 0] - views.rows.sum(1)).square().mean()}

    def evaluate(self, network: nn.Module, views: RowViews) -> dict[str, Tensor]:
        return {"validation_loss": self.loss(network, views)["loss"]}

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        return means

    def plan(self) -> Plan:
        return Plan("toy", {})


def plain_network() -> nn.Module:
    """Without anything that depends on how samples are batched."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 1))


def run_toy(
    folder: Path,
    before_loss: Callable[[int], None] = lambda _: None,
    net: nn.Module | None = None,
    validation: Any = None,
    parts: int = 1,
    run: FakeRun | None = None,
    precision: str = "",
    groups: Callable[[nn.Module], list[dict[str, Any]]] | None = None,
    **training: Any,
) -> tuple[Loop, FakeRun, Toy]:
    """Train; what fails is raised."""
    config = replace(TRAINING, **training)
    method, run = Toy(config, before_loss), run or FakeRun(folder / "job", folder / "home")
    plugin = MixedPrecision("16-mixed", "cpu") if precision == "fp16" else None  # Fabric alone would take bf16 on a CPU
    kind = None if plugin else FABRIC_PRECISION[precision or config.precision]
    fabric = Fabric(accelerator="cpu", devices=1, precision=kind, plugins=plugin)
    net = net or network()
    loop = Loop(fabric, method, net, run, groups(net) if groups else None)
    loop.progress.parts = parts
    loop.train(Rows(), validation or Rows())
    return loop, run, method


def state(loop: Loop) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in loop.bare.state_dict().items()}


def same(one: Loop, other: Loop) -> bool:
    """Bit for bit."""
    a, b = state(one), state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def codes(run: FakeRun) -> list[str]:
    return [event["code"] for event in run.of("warning")]
