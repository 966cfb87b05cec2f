"""Samples per second and core: the batched distortions against a plain per-sample NumPy version of the same law.

Cubes of Models Genesis, or with --radiographs crops of PEAC; both sides in one run.
`python benchmarks/distortion.py [--radiographs] [--threads 2] [--json FILE]`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from medssl.distort import BezierIntensity, Chain, Flip, InPainting, LocalShuffle, OneOf, OutPainting, Sometimes
from medssl.pretraining.peac.config import PeacConfig
from medssl.pretraining.peac.method import appearance_distortion

CUBE, CROP = (64, 64, 32), (448, 448)
CROP_WINDOWS = 40  # of the local shuffle of a radiograph


def plain_flip(cube: np.ndarray) -> np.ndarray:
    """Up to three flips."""
    for _ in range(3):
        if random.random() >= 0.4:
            break
        cube = np.flip(cube, random.randrange(3))
    return cube.copy()


def plain_shuffle(cube: np.ndarray, windows: int = 10_000) -> np.ndarray:
    """So many windows, each permuted from the original cube."""
    out = cube.copy()
    for _ in range(windows):
        sizes = [random.randint(1, side // 10) for side in cube.shape]
        starts = [random.randint(0, side - size) for side, size in zip(cube.shape, sizes)]
        window = tuple(slice(a, a + n) for a, n in zip(starts, sizes))
        values = cube[window].flatten()
        np.random.shuffle(values)
        out[window] = values.reshape(sizes)
    return out


def plain_bezier(cube: np.ndarray) -> np.ndarray:
    """A curve of 100 000 sorted points, interpolated at every voxel."""
    points = np.array([(0.0, 0.0), (random.random(), random.random()), (random.random(), random.random()), (1.0, 1.0)])
    t = np.linspace(1.0, 0.0, 100_000)
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    x, y = points.T @ weights
    x = np.sort(x)
    if random.random() < 0.5:
        y = np.sort(y)
    return np.interp(cube, x, y).astype(np.float32)


def plain_inpaint(cube: np.ndarray) -> np.ndarray:
    """Noise in up to five boxes."""
    out, boxes = cube.copy(), 5
    while boxes > 0 and random.random() < 0.95:
        window = _box(cube.shape, [random.randint(side // 6, side // 3) for side in cube.shape])
        out[window] = np.random.rand(*out[window].shape)
        boxes -= 1
    return out


def plain_outpaint(cube: np.ndarray) -> np.ndarray:
    """Noise everywhere but in up to five boxes."""
    out, boxes = np.random.rand(*cube.shape).astype(np.float32), 5
    while boxes == 5 or (boxes > 0 and random.random() < 0.95):
        window = _box(cube.shape, [side - random.randint(3 * side // 7, 4 * side // 7) for side in cube.shape])
        out[window] = cube[window]
        boxes -= 1
    return out


def plain_pipeline(cube: np.ndarray) -> np.ndarray:
    """The training pipeline."""
    cube = plain_flip(cube)
    if random.random() < 0.5:
        cube = plain_shuffle(cube)
    if random.random() < 0.9:
        cube = plain_bezier(cube)
    if random.random() < 0.9:
        cube = plain_outpaint(cube) if random.random() < 0.8 else plain_inpaint(cube)
    return cube


def plain_appearance(crop: np.ndarray) -> np.ndarray:
    """What PEAC does to a radiograph's crop whose cells stay in order."""
    crop = plain_shuffle(crop, CROP_WINDOWS)
    if random.random() < 0.9:
        crop = plain_bezier(crop)
    if random.random() < 0.9:
        crop = plain_outpaint(crop) if random.random() < 0.8 else plain_inpaint(crop)
    return crop


def _box(shape: tuple[int, ...], sizes: list[int]) -> tuple[slice, ...]:
    starts = [random.randint(3, side - size - 3) for side, size in zip(shape, sizes)]
    return tuple(slice(a, a + n) for a, n in zip(starts, sizes))


PIPELINE = Chain(
    Flip(),
    Sometimes(0.5, LocalShuffle()),
    Sometimes(0.9, BezierIntensity()),
    Sometimes(0.9, OneOf((0.8, OutPainting()), (0.2, InPainting()))),
)
PAIRS = {
    "flip": (Flip(), plain_flip),
    "shuffle": (LocalShuffle(), plain_shuffle),
    "bezier": (BezierIntensity(), plain_bezier),
    "inpaint": (InPainting(), plain_inpaint),
    "outpaint": (OutPainting(), plain_outpaint),
    "pipeline": (PIPELINE, plain_pipeline),
}
RADIOGRAPH_PAIRS = {
    "shuffle": (LocalShuffle(windows=CROP_WINDOWS), lambda crop: plain_shuffle(crop, CROP_WINDOWS)),
    **{name: PAIRS[name] for name in ("bezier", "inpaint", "outpaint")},
    "pipeline": (appearance_distortion(PeacConfig()), plain_appearance),
}


def batched(distortion, batch: torch.Tensor) -> Callable[[], None]:
    """One batch, drawn and applied."""
    generator = torch.Generator(batch.device).manual_seed(0)
    return lambda: distortion.apply(batch, distortion.draw(batch, generator))


def measure(pairs: dict, shape: tuple[int, ...], seconds: float, batch_size: int, threads: int) -> list[dict]:
    """A row per distortion: samples per second of one core's time, both versions, and their ratio.

    Processor time, not the clock's: what else runs on the machine does not count, two threads cost twice. The two versions
    take turns, so that a clock rate that changes meets both.
    """
    torch.set_num_threads(threads)
    batch = torch.rand((batch_size, 1, *shape), generator=torch.Generator().manual_seed(0))
    cubes, rows = batch[:, 0].numpy(), []
    for name, (distortion, plain) in pairs.items():
        ours = batched(distortion, batch)
        start = time.perf_counter()
        ours()  # compiles, or loads what an earlier run compiled
        first = time.perf_counter() - start
        made, spent = [0, 0], [0.0, 0.0]
        while min(spent) < seconds:
            side = spent.index(min(spent))
            work, count = ((ours, batch_size), (lambda plain=plain: plain(random.choice(cubes)), 1))[side]
            start = time.process_time()
            work()
            spent[side] += time.process_time() - start
            made[side] += count
        fast, slow = (count / time_s for count, time_s in zip(made, spent))
        rows.append({"distortion": name, "ours": fast, "plain": slow, "ratio": fast / slow, "first_s": first})
    return rows


def main() -> None:
    """Print the table; with --json also write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of processor time of each measurement")
    parser.add_argument("--batch", type=int, default=16, help="samples in a batch")
    parser.add_argument("--radiographs", action="store_true", help="crops of 448 x 448 pixels instead of cubes")
    parser.add_argument("--threads", type=int, default=1, help="threads of the batched version; rates are per core")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args()
    random.seed(0)
    np.random.seed(0)
    pairs, shape = (RADIOGRAPH_PAIRS, CROP) if options.radiographs else (PAIRS, CUBE)
    rows = measure(pairs, shape, options.seconds, options.batch, options.threads)
    print(f"{'distortion':<12}{'ours':>12}{'plain':>12}{'ratio':>9}{'first call':>13}")
    for row in rows:
        print(
            f"{row['distortion']:<12}{row['ours']:>8.0f} /s {row['plain']:>8.1f} /s "
            f"{row['ratio']:>8.1f}x{row['first_s']:>11.2f} s"
        )
    if options.json:
        options.json.write_text(
            json.dumps({"shape": shape, "threads": options.threads, "batch": options.batch, "rows": rows}, indent=2)
        )


if __name__ == "__main__":
    main()
