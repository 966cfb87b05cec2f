"""How fast does a network train? Ours (channels-last, bf16 where the device has it) against the same network in default
memory layout and float32, in turns in one run; on a GPU also the share of time waiting for data and the TFLOP/s reached.

    python backend/benchmarks/training.py [--device cuda] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from medssl.core.schema import build
from medssl.networks.unet3d import UNet3D
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.training.fabric import choose_precision
from medssl.training.optimisers import make_optimizer

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def make_step(config: GenesisConfig, device: torch.device, ours: bool) -> Callable[[], None]:
    """One optimiser step on random cubes, with or without our layout and precision."""
    torch.manual_seed(0)
    network = UNet3D(config.base_width).to(device)
    x = torch.rand(config.training.batch_size, 1, *config.cube, device=device)
    precision = choose_precision("auto", device.type) if ours else "fp32"
    if ours:
        network, x = (
            network.to(memory_format=torch.channels_last_3d),
            x.contiguous(memory_format=torch.channels_last_3d),
        )
    optimizer = make_optimizer(network, config.training)

    def step() -> None:
        with torch.autocast(device.type, TYPES[precision], enabled=precision != "fp32"):
            restored = network(x)
        functional.mse_loss(restored.float(), x).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def time_in_turns(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taken in turns so that a noisy machine is noisy for all."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:  # the first round warms up
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def count_flops(config: GenesisConfig) -> int:
    """Floating-point operations of one step: forward and backward."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = UNet3D(config.base_width)
        network(torch.empty(config.training.batch_size, 1, *config.cube)).sum().backward()
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    over = {"training": {"batch_size": options.batch}} if options.batch else {}
    config, device = build(GenesisConfig, over, options.preset), torch.device(options.device)
    seconds = time_in_turns(
        {"ours": make_step(config, device, True), "plain": make_step(config, device, False)}, options.rounds
    )
    found = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads",
        "precision": choose_precision("auto", device.type), "base_width": config.base_width, "batch": config.training.batch_size,
        "ours_s": seconds["ours"], "plain_s": seconds["plain"], "ratio": seconds["plain"] / seconds["ours"],
        "samples_per_s": config.training.batch_size / seconds["ours"], "tflop_per_s": count_flops(config) / seconds["ours"] / 1e12,
    }  # fmt: skip
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(
            "\n".join(
                f"{name:14} {value:.4g}" if isinstance(value, float) else f"{name:14} {value}"
                for name, value in found.items()
            )
        )


if __name__ == "__main__":
    main()
