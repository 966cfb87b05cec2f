"""Whole-volume segmentation against MONAI's sliding-window inferer, and its memory on a long volume: `python benchmarks/segmentation.py`.

Goals, with the same network in the same run: not slower than MONAI (alternating turns), logits equal within 1e-4,
and a peak on 512 x 512 x 600 voxels that is below what the logits alone would take there. The peak is that of a process of its
own (Linux). Beyond image and label map it must not grow with the number of slices.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.inference.volumes.segmenter import segment_image
from medssl.inference.volumes.sliding import image_slabs, reader
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.network import Network

RATIO, DIFFERENCE = 1.01, 1e-4  # a hundredth is what timings vary by
LONG = (512, 512, 600)
CLASSES, WINDOW = 3, (64, 64, 32)


class Small(Network):
    """One convolution: nothing but the windows costs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(1, CLASSES + 1, 3, padding=1)
        segments = [{"value": n + 1, "name": f"class {n + 1}"} for n in range(CLASSES)]
        task = {"name": "segmentation", "form": "3d", "segments": segments}
        self.plan = Plan("small", {}, normalisation={"kind": "ct"}, input_size=WINDOW, modality="CT", task=task)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def measure_memory(slices: int) -> dict[str, float]:
    """Peak of this process while a volume with so many slices is segmented, in MiB."""
    array = np.empty((*LONG[:2], slices), np.int16, order="F")
    rng = np.random.default_rng(0)
    for k in range(slices):
        array[:, :, k] = rng.integers(-1000, 1000, LONG[:2], dtype=np.int16)
    before, begun = _anonymous(), time.perf_counter()
    peak = before

    def note(fraction: float, message: str) -> None:
        nonlocal peak
        peak = max(peak, _anonymous())

    found = segment_image(Volume(array, modality="CT"), Small().eval(), overlap=0.25, progress=note)
    return {
        "before, with the image (MiB)": before / 2**20,
        "clock (s)": time.perf_counter() - begun,
        "image (MiB)": array.nbytes / 2**20,
        "labels (MiB)": found.labels.array.nbytes / 2**20,
        "beyond both (MiB)": (peak - before - found.labels.array.nbytes) / 2**20,
        "peak of the process (MiB)": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def memory_of_child(slices: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--slices", str(slices)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def compare_memory() -> dict[str, float]:
    """Peaks on all slices and on half of them."""
    half, whole = (memory_of_child(slices) for slices in (LONG[2] // 2, LONG[2]))
    logits = (CLASSES + 1) * 4 * float(np.prod(LONG)) / 2**20
    return {
        **whole, f"beyond both, {LONG[2] // 2} slices (MiB)": half["beyond both (MiB)"], "logits of all slices (MiB)": logits
    }  # fmt: skip


class Timed(Network):
    """A network that notes the time spent in it."""

    def __init__(self, network: Network, clock: Callable[[], float]) -> None:
        super().__init__()
        self.network, self.plan, self.clock, self.spent = network, network.plan, clock, 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        begun = self.clock()
        answer = self.network(x)
        self.spent += self.clock() - begun
        return answer


def clock_of(device: str) -> Callable[[], float]:
    """Seconds of the processor, so that other programs do not count; on a GPU those of the clock, its work included."""

    def of_gpu() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return of_gpu if device.startswith("cuda") else time.process_time


def compare(
    shape: tuple[int, ...], width: int, overlap: float, batch: int, device: str, turns: int
) -> dict[str, float]:
    """Seconds in the network, beside it in either, and the largest difference of logits.

    The network's own time is the same for both but varies by more than what lies beside it: the ratio takes its median for both.
    """
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    clock = clock_of(device)
    net = UNetSegmenter(width, 1, CLASSES + 1).eval().to(device).to(memory_format=torch.channels_last_3d)
    timed = Timed(net, clock)
    array = np.random.default_rng(0).random(shape, np.float32)

    def ours() -> torch.Tensor:
        found = torch.empty(CLASSES + 1, *shape, device=device)
        for first, part in image_slabs(reader(array, torch.device(device)), shape, timed, WINDOW, overlap, batch=batch):
            found[..., first : first + part.shape[3]] = part
        return found

    def theirs() -> torch.Tensor:
        image = torch.from_numpy(array)[None, None].to(device)
        with torch.inference_mode():
            return sliding_window_inference(image, WINDOW, batch, timed, overlap, mode="gaussian")[0]

    difference = float((ours() - theirs()).abs().max())  # the first, untimed turn
    inside: list[float] = []
    beside: dict[str, list[float]] = {"ours": [], "MONAI": []}
    for turn in range(turns):
        for name, work in (("ours", ours), ("MONAI", theirs))[:: 1 if turn % 2 else -1]:
            timed.spent, begun = 0.0, clock()
            work()
            beside[name].append(clock() - begun - timed.spent)
            inside.append(timed.spent)
    network = statistics.median(inside)
    first, second = (statistics.median(times) for times in beside.values())
    return {
        "in the network (s)": network,
        "beside it, ours (s)": first,
        "beside it, MONAI (s)": second,
        "ratio of the whole": (network + first) / (network + second),
        "largest difference of logits": difference,
    }


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 128, 96))
    parser.add_argument("--width", type=int, default=8, help="of the U-Net; 32 in the paper")
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="leave out the long volume")
    parser.add_argument("--slices", type=int, help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.slices:
        print(json.dumps(measure_memory(options.slices)))
        return 0
    shape = tuple(options.shape)
    found = compare(shape, options.width, options.overlap, options.batch, options.device, options.turns)
    missed = found["ratio of the whole"] > RATIO or found["largest difference of logits"] > DIFFERENCE
    if not options.quick:
        memory = compare_memory()
        missed |= memory["beyond both (MiB)"] > 1.1 * memory[f"beyond both, {LONG[2] // 2} slices (MiB)"]
        missed |= memory["peak of the process (MiB)"] > memory["logits of all slices (MiB)"]
        found |= memory
    for name, value in found.items():
        print(f"{name:45} {value:12.6g}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
