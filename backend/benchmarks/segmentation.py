"""Whole-volume segmentation against MONAI's sliding-window inferer, and its memory on a long volume: `python benchmarks/segmentation.py`.

Goals, with the same network in the same run: not slower than MONAI (medians of alternating turns), logits equal within 1e-4,
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

from medssl.data.volume import Volume
from medssl.inspection.segmentation import segment
from medssl.inspection.sliding import image_slabs, reader
from medssl.networks.plan import Plan
from medssl.networks.unet_segmenter import UNetSegmenter

RATIO, DIFFERENCE = 1.0, 1e-4
NOISE = 1.03  # of two timings of the same work
LONG = (512, 512, 600)
CLASSES, WINDOW = 3, (64, 64, 32)


class Small(nn.Module):
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

    found = segment(Volume(array, modality="CT"), Small().eval(), overlap=0.25, progress=note)
    return {
        "before": before / 2**20,
        "seconds": time.perf_counter() - begun,
        "image": array.nbytes / 2**20,
        "labels": found.labels.array.nbytes / 2**20,
        "beyond both": (peak - before - found.labels.array.nbytes) / 2**20,
        "peak of the process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def memory_of_child(slices: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--slices", str(slices)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def seconds(work: Callable[[], object], device: str) -> float:
    """Of one call, the device's work included."""
    begun = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def compare(
    shape: tuple[int, ...], width: int, overlap: float, batch: int, device: str, turns: int
) -> dict[str, float]:
    """Seconds of both, their ratio turn by turn, and the largest difference of logits."""
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    net = UNetSegmenter(width, 1, CLASSES + 1).eval().to(device).to(memory_format=torch.channels_last_3d)
    array, size = np.random.default_rng(0).random(shape, np.float32), WINDOW

    def ours() -> torch.Tensor:
        read = reader(array, torch.device(device))
        return torch.cat(
            [part.cpu().clone() for _, part in image_slabs(read, shape, net, size, overlap, batch=batch)], dim=3
        )

    def theirs() -> torch.Tensor:
        image = torch.from_numpy(array)[None, None].to(device)
        with torch.inference_mode():
            return sliding_window_inference(image, size, batch, net, overlap, mode="gaussian")[0].cpu()

    difference = float((ours() - theirs()).abs().max())  # the first, untimed turn
    times = [
        [seconds(work, device) for work in ((ours, theirs) if turn % 2 else (theirs, ours))][:: 1 if turn % 2 else -1]
        for turn in range(turns)
    ]
    return {
        "ours (s)": statistics.median(a for a, _ in times),
        "MONAI (s)": statistics.median(b for _, b in times),
        "ratio": statistics.median(a / b for a, b in times),
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
    parser.add_argument("--slices", type=int, help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.slices:
        print(json.dumps(measure_memory(options.slices)))
        return 0
    shape = tuple(options.shape)
    found = compare(shape, options.width, options.overlap, options.batch, options.device, options.turns)
    half, whole = (memory_of_child(slices) for slices in (LONG[2] // 2, LONG[2]))
    logits = (CLASSES + 1) * 4 * np.prod(LONG, dtype=float) / 2**20
    found |= {
        f"{LONG[2]} slices: {name}{'' if name == 'seconds' else ' (MiB)'}": value for name, value in whole.items()
    }
    found |= {f"{LONG[2] // 2} slices: beyond both (MiB)": half["beyond both"], "logits of all slices (MiB)": logits}
    for name, value in found.items():
        print(f"{name:45} {value:12.6g}")
    bounded = whole["beyond both"] < 1.1 * half["beyond both"] and whole["peak of the process"] < logits
    return int(found["ratio"] > NOISE * RATIO or found["largest difference of logits"] > DIFFERENCE or not bounded)


if __name__ == "__main__":
    sys.exit(main())
