"""What keeping the memory of a step for the next one saves on a processor: `python backend/benchmarks/allocator.py` (Linux with glibc).

The same training steps of the 3D U-Net in children of their own, in turn as glibc does it by itself and as jobs do it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from medssl.core.allocator import keep_memory

SIZES = ((2, 64), (4, 32))  # samples, side
WIDTH = 8


def steps(count: int, samples: int, side: int) -> dict[str, float]:
    """Seconds, system seconds and page faults of a step, and the peak of memory."""
    import torch

    from medssl.networks.unet3d import UNet3D

    network = UNet3D(WIDTH)
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randn(samples, 1, side, side, side)

    def step() -> None:
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()

    step()
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(count):
        step()
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds / count,
        "system": (after.ru_stime - before.ru_stime) / count,
        "faults": (after.ru_minflt - before.ru_minflt) / count,
        "peak": after.ru_maxrss / 1e3,
    }


def child(keep: bool, count: int, samples: int, side: int) -> dict[str, float]:
    """The steps in a process of their own."""
    command = [sys.executable, __file__, "--child", f"{int(keep)},{count},{samples},{side}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        keep, count, samples, side = (int(part) for part in asked.child.split(","))
        if keep:
            keep_memory()
        print(json.dumps(steps(count, samples, side)))
        return
    for samples, side in SIZES:
        found = [[child(keep, asked.steps, samples, side) for keep in (False, True)] for _ in range(asked.repeats)]
        for name, keep in (("as glibc does it", 0), ("kept", 1)):
            one = {key: statistics.median(pair[keep][key] for pair in found) for key in found[0][0]}
            print(
                f"{samples} x {side}^3, {name:17} {one['seconds']:.2f} s a step, {one['system']:.2f} s of the system, "
                f"{one['faults']:.0f} page faults, peak {one['peak']:.0f} MB"
            )
        ratios = sorted(plain["seconds"] / kept["seconds"] for plain, kept in found)
        print(f"    {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
