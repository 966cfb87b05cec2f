"""What correspondences cost beside the network, and how soon a click is answered: `python benchmarks/correspondence.py`.

Goals, on one machine in one run: describing two radiographs and finding their correspondences takes at most 1.15 times the
network's own passes over their windows; a click takes at most 50 ms once the embeddings are warm, through HTTP too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from medssl.client import backend
from medssl.client.session import connect
from medssl.core.protocol import VolumeRef
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.inference.models import WarmModels
from medssl.inference.patch_grid import BATCH, SHORT_SIDE_CELLS, embed_patches, spread_windows
from medssl.inspection.anatomy.correspondence import find_correspondences
from medssl.inspection.anatomy.point_search import find_point
from medssl.networks.network import Network

RATIO, CLICK_MS = 1.15, 50.0


def radiograph(seed: int, side: int) -> Volume:
    """Smooth noise of 12 bits."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 100)
    return Volume((2000 + 500 * noise / noise.std()).clip(0, 4095).astype(np.int16), modality="CXR", name=f"{seed}")


def passes(net: Network, dense: int, device: str) -> None:
    """The network over as many windows as one square radiograph has."""
    count = len(spread_windows(SHORT_SIDE_CELLS, net.cells)) ** 2 * dense**2
    windows = torch.rand(count, 3, net.side, net.side, device=device)
    half = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=_bf16(device))
    with torch.inference_mode(), half:
        for start in range(0, count, BATCH):
            net.tokens(windows[start : start + BATCH])


def seconds(work: Callable[[], object], device: str) -> float:
    """Of one call, the device's work included."""
    begun = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def measure_pair(net: Network, images: list[Volume], dense: int, device: str, repeats: int) -> dict[str, float]:
    """Medians over turns: passes alone, then describing and comparing."""

    def ours() -> None:
        find_correspondences([embed_patches(image, net, dense) for image in images])

    def plain() -> None:
        for _ in images:
            passes(net, dense, device)

    turns = [(seconds(plain, device), seconds(ours, device)) for _ in range(repeats + 1)][1:]
    grids = [embed_patches(image, net, dense) for image in images]
    comparing = [seconds(lambda: find_correspondences(grids), "cpu") for _ in range(repeats)]
    return {
        "network's passes, two images (s)": statistics.median(a for a, _ in turns),
        "correspond(pair), all of it (s)": statistics.median(b for _, b in turns),
        "of which comparing (s)": statistics.median(comparing),
        "ratio to the passes": statistics.median(b / a for a, b in turns),
    }


def measure_clicks(net: Network, images: list[Volume], dense: int, clicks: int) -> dict[str, float]:
    """Milliseconds of a click on warm embeddings, in the process."""
    grids = [embed_patches(image, net, dense) for image in images]
    side = images[0].shape[0]
    points = np.random.default_rng(0).uniform(0, side - 1, (clicks, 2))
    times = [1000 * seconds(lambda p=point: find_point(grids, 0, *p), "cpu") for point in points]
    return {"click, function, median (ms)": statistics.median(times), "click, function, slowest (ms)": max(times)}


def measure_http(preset: str, images: list[Volume], dense: int, device: str, clicks: int) -> dict[str, float]:
    """Milliseconds of a click through a local server and its warm worker, with ?wait=."""
    with tempfile.TemporaryDirectory() as folder:
        refs = []
        for image in images:
            write_volume(image, Path(folder) / f"{image.name}.nrrd")
            refs.append(VolumeRef(path=str(Path(folder) / f"{image.name}.nrrd"), modality="CXR"))
        session = connect(Path(folder) / "home")
        try:
            side, times = images[0].shape[0], []
            for point in np.random.default_rng(0).uniform(0, side - 1, (clicks + 1, 2)):
                begun = time.perf_counter()
                session.similarity(refs, f"untrained:{preset}", *map(float, point), dense=dense, device=device)
                times.append(1000 * (time.perf_counter() - begun))
        finally:
            backend.stop(backend.find(Path(folder) / "home"))
    warm = times[1:]
    return {
        "click, HTTP, first: cold worker (ms)": times[0],
        "click, HTTP, median (ms)": statistics.median(warm),
        "click, HTTP, slowest of 20 (ms)": float(np.percentile(warm, 95)),
    }


def _bf16(device: str) -> bool:
    from medssl.training.fabric import choose_precision

    return choose_precision("auto", torch.device(device).type) == "bf16"


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dense", type=int, default=2, help="of the click; the pair is compared at 1 and at this")
    parser.add_argument("--side", type=int, default=1024, help="of the radiographs in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=60)
    options = parser.parse_args()
    images = [radiograph(seed, options.side) for seed in (1, 2)]
    net = WarmModels(Path()).get(f"untrained:{options.preset}", "", options.device)
    found: dict[str, float] = {}
    for dense in sorted({1, options.dense}):
        pair = measure_pair(net, images, dense, options.device, options.repeats)
        found |= {f"dense {dense}: {name}": value for name, value in pair.items()}
    found |= measure_clicks(net, images, options.dense, options.clicks)
    found |= measure_http(options.preset, images, options.dense, options.device, options.clicks)
    for name, value in found.items():
        print(f"{name:50} {value:9.3f}")
    ratios = [value for name, value in found.items() if "ratio" in name]
    return int(max(ratios) > RATIO or found["click, HTTP, median (ms)"] > CLICK_MS)


if __name__ == "__main__":
    sys.exit(main())
