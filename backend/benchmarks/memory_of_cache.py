"""Does the memory of drawing cubes grow with the number of volumes? It should not: 200 volumes within 10 % of 10.

Each number runs in a process of its own, which reports its anonymous memory (RssAnon; mapped pages belong to the system) after
drawing the same number of cubes. Linux only.

    python benchmarks/memory_of_cache.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

VOLUMES, CUBES, SHAPE = (10, 200), 600, (128, 128, 64)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_volumes(Path(folder), max(VOLUMES))
        used = {count: measure(Path(folder), count) for count in VOLUMES}
    growth = used[VOLUMES[1]] / used[VOLUMES[0]] - 1
    print(
        json.dumps({"rss_anon_mib": {str(n): round(b / 2**20, 1) for n, b in used.items()}, "growth": round(growth, 4)})
    )
    sys.exit(growth > 0.10)


def make_volumes(folder: Path, count: int) -> None:
    from medssl.data.volume import Volume, write_volume

    rng = np.random.default_rng(0)
    for n in range(count):
        write_volume(Volume(rng.integers(-1000, 1000, SHAPE).astype(np.int16)), folder / f"{n:03}.nrrd", compress=False)


def measure(folder: Path, count: int) -> int:
    answer = subprocess.run(
        [sys.executable, __file__, str(folder), str(count)], capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def draw(folder: Path, count: int) -> int:
    """Cache `count` volumes, draw cubes of them in micro-batches of 4, and return this process's RssAnon in bytes."""
    from medssl.data.cache import VolumeCache
    from medssl.data.catalog import read_catalog
    from medssl.data.intensity_config import NormalisationConfig
    from medssl.data.loader import CubeDataset, micro_batches
    from medssl.protocol import DataSpec

    entries = read_catalog(DataSpec(path=str(folder), pattern="*.nrrd", modality="CT"), folder).entries[:count]
    cache = VolumeCache(folder / "cache")
    dataset = CubeDataset([cache.add(entry) for entry in entries], (64, 64, 32), "body", NormalisationConfig(), seed=0)
    for _ in micro_batches(dataset, ([4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3] for n in range(CUBES // 4))):
        pass
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(draw(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        main()
