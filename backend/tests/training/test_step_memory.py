"""The estimate of a step's memory: what it counts, and that measured peaks lie below it, but not far."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from loop_toys import Rows, Toy
from torch import nn

from medssl.core import seeds
from medssl.networks.memory_format import channels_last
from medssl.networks.unet3d import UNet3D
from medssl.training.config import TrainingConfig
from medssl.training.memory import MARGIN, network_memory, views_memory

CHILD = """
import torch
from pathlib import Path
from medssl.core.allocator import return_memory
from medssl.networks.memory_format import channels_last
from medssl.networks.unet3d import UNet3D

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

def step(count):
    images = torch.randn(count, 1, 32, 32, 32).contiguous(memory_format=torch.channels_last_3d)
    network(images).float().square().mean().backward()
    optimizer.step()

return_memory(above=2**20)  # as choose_batch does
network = channels_last(UNet3D(8))
optimizer = torch.optim.AdamW(network.parameters())
step(1)  # kernels, gradients and the state of the optimiser are in memory
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = memory("VmRSS")
step(5)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_measured_peak_lies_below_the_estimate_but_not_far():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    bound = MARGIN * network_memory(UNet3D(8), (5, 1, 32, 32, 32)).step
    assert 0.6 * bound <= int(done.stdout) <= bound


def test_a_network_without_numbers_is_estimated_like_a_real_one():
    with torch.device("meta"):
        empty = UNet3D(4)
    real = channels_last(UNet3D(4))
    weights = [p.clone() for p in real.parameters()]
    assert network_memory(empty, (2, 1, 16, 16, 16)) == network_memory(real, (2, 1, 16, 16, 16))
    assert all(torch.equal(a, b) for a, b in zip(weights, real.parameters())), "nothing was computed"


def test_what_is_kept_is_counted_exactly():
    network = nn.Sequential(nn.Linear(100, 50), nn.Linear(50, 1))
    parameters = sum(p.numel() * 4 for p in network.parameters())
    shape = (4, 100)
    assert network_memory(network, shape, optimizer="sgd").network == 3 * parameters
    assert network_memory(network, shape, optimizer="adamw").network == 4 * parameters
    assert network_memory(network, shape, ema=True).network == 5 * parameters


def test_activations_that_wait_for_the_way_back_are_counted_once():
    """Through three layers: each keeps its input, which is the answer of the tanh before; the images stay too."""
    network = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(64, 64), nn.Tanh())))
    activation = 8192 * 64 * 4
    assert 5 * activation <= network_memory(network, (8192, 64)).step <= 8 * activation


def test_half_precision_takes_less():
    network = UNet3D(4)
    full, half = (network_memory(network, (4, 1, 32, 32, 32), precision).step for precision in ("fp32", "bf16"))
    assert 0.4 * full < half < 0.8 * full


class Looking(Toy):
    """Its loss looks at numbers, which a rehearsal does not have."""

    def loss(self, network, views):
        found = super().loss(network, views)
        return found if found["loss"].item() >= 0 else {}


def test_a_step_that_looks_at_numbers_is_measured_instead():
    method, network = Looking(TrainingConfig()), nn.Sequential(nn.Linear(8, 512), nn.Tanh(), nn.Linear(512, 1))
    batch = {"raw": torch.stack([Rows()[n]["raw"] for n in range(64)]), "index": torch.arange(64)}
    views = method.views(batch, seeds.generator(0, "views"))
    measured = views_memory(network, views, lambda net, seen: method.loss(net, seen)["loss"])
    rehearsed = views_memory(network, views, lambda net, seen: Toy.loss(method, net, seen)["loss"])
    for count in (1, 64, 1000):
        assert measured(count).total == pytest.approx(rehearsed(count).total, rel=0.05)
    assert all(p.grad is None for p in network.parameters())
