"""What orientation and resampling cost on a long CT: `python benchmarks/hospital_volumes.py [--ct FILE]`.

A public chest CT (512 x 512 x 133) is tiled to 512 x 512 x 300, stored in RAS, put into the cache and segmented by a narrow U-Net, with resampling to
1.5 mm and without, each in a process of its own in the same run: seconds, and the peak of anonymous memory (Linux). Then random crops of
64 x 64 x 32 are read from the whole volume and from an eighth of it, which must cost the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from medssl.core.geometry import Geometry
from medssl.core.home import home_folder
from medssl.core.plan import Plan
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.entry import Entry
from medssl.datasets.samples.public_samples import fetch_sample
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.geometry import reorient
from medssl.images.volume import Volume
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.downstream.unet_segmenter import UNetSegmenter

SLICES, SPACING = 300, (1.5, 1.5, 1.5)
CROP, CROPS, LONGEST_MS, RATIO = (64, 64, 32), 300, 0.5, 1.3


@contextmanager
def watched(found: dict[str, float], what: str) -> Iterator[None]:
    """Seconds of the clock and of the processor, and peak of anonymous memory beyond what was there, of a block."""
    before, peak, running = _anonymous(), 0, True

    def watch() -> None:
        nonlocal peak
        while running:
            peak = max(peak, _anonymous())
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    begun, worked = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        found[f"{what} (s)"] = time.perf_counter() - begun
        found[f"{what}, processor (s)"] = time.process_time() - worked  # which other work beside it hardly changes
        running = False
        thread.join()
        found[f"{what}, peak (MiB)"] = (peak - before) / 2**20


def measure(ct: Path, folder: Path, resampled: bool) -> dict[str, float]:
    """Fill a cache with the CT, and segment it, in this process."""
    found: dict[str, float] = {}
    geometry = Geometry("LPS", SPACING if resampled else ())
    cache, entry = VolumeCache(folder), Entry(ct, "p", modality="CT", name="ct")
    with watched(found, "fill"):
        kept = cache.resampled(cache.add(entry), geometry)
    found["cache (MiB)"] = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    volume = read_volume(ct, "CT")
    torch.manual_seed(0)
    net = UNetSegmenter(4, 1, 3).eval().to(memory_format=torch.channels_last_3d)
    task = {"name": "segmentation", "form": "3d", "segments": [{"value": n, "name": f"class {n}"} for n in (1, 2)]}
    net.plan = Plan("unet-segmenter", {}, "paper", {"kind": "ct"}, (96, 96, 64), "CT", task, geometry=geometry)
    with watched(found, "segment"):
        segment_image(volume, net, overlap=0.1)
    found["voxels that the network sees (millions)"] = float(np.prod(kept.shape)) / 1e6
    found["a crop, whole volume (ms)"] = crop_ms(kept)
    part = folder / "eighth.nrrd"
    small = tuple(slice(0, max(n // 2, side)) for n, side in zip(volume.shape, CROP))
    write_volume(Volume(volume.array[small], volume.spacing), part, compress=False)
    found["a crop, an eighth of it (ms)"] = crop_ms(cache.add(Entry(part, "q", modality="CT", name="eighth")))
    return found


def crop_ms(volume: CachedVolume) -> float:
    """Median milliseconds of a random crop."""
    rng, times = np.random.default_rng(0), []
    for _ in range(CROPS):
        start = [int(rng.integers(0, n - side + 1)) for n, side in zip(volume.shape, CROP)]
        begun = time.perf_counter()
        volume.crop(start, CROP)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def long_ct(source: Path, target: Path) -> None:
    """Tile a CT along its slices, mirrored in turn so that nothing jumps, and store it in RAS."""
    volume = read_volume(source, "CT")
    tiles = [volume.array[..., :: 1 if n % 2 == 0 else -1] for n in range(-(-SLICES // volume.shape[2]))]
    array = np.concatenate(tiles, axis=2)[..., :SLICES]
    write_volume(reorient(Volume(array, volume.spacing, modality="CT"), "RAS"), target, compress=False)


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, help="a CT of 512 x 512; left out: the sample chest-ct is fetched")
    parser.add_argument("--measure", choices=("native", "resampled"), help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.measure:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(options.ct, Path(folder), options.measure == "resampled")))
        return 0
    source = options.ct or next((fetch_sample("chest-ct", home_folder(None)) / "images").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        long_ct(source, Path(folder) / "long.nrrd")
        found = {}
        for way in ("native", "resampled"):
            command = [sys.executable, __file__, "--ct", str(Path(folder) / "long.nrrd"), "--measure", way]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way] = json.loads(done.stdout.splitlines()[-1])
    print(f"| {'':42} | native | resampled | ratio |\n|---|---|---|---|")
    for name, native in found["native"].items():
        print(
            f"| {name:42} | {native:.4g} | {found['resampled'][name]:.4g} | {found['resampled'][name] / native:.2f} |"
        )
    crops = [found[way][f"a crop, {of} (ms)"] for way in found for of in ("whole volume", "an eighth of it")]
    missed = max(crops) > LONGEST_MS or max(crops[0] / crops[1], crops[2] / crops[3]) > RATIO
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
