"""Does `anatomy3d` find the same anatomy again? On hippocampus MRs: in moved copies of a scan, and in other scans.

    python backend/benchmarks/experiments/anatomy3d.py --data shared/data/mr-hippocampus --seeds 3 --output anatomy3d

Each seed trains the laptop preset with `medssl pretrain` on the scans that are not held out (those without labels too), and is
measured on the held-out ones, whose images and labels no training saw. Which scans are the two sides of one person is not published,
so that a held-out scan may have its other side among the training ones; scans, not persons, are drawn in the bootstrap.

(a) Simulated: two copies of each held-out scan, moved by independent affine maps (turned by up to 20 degrees about every axis,
scaled by 0.8 to 1.25, a box of 85 % of the sides at any place); POINTS points of one are looked for in the other, and the truth is known.
(b) Across scans, nothing simulated but the shift: landmarks of the label maps (the middle of both classes; the foremost, hindmost, highest
and lowest place of both together) of one scan are looked for in another; and again in a crop of 75 % of its sides at a random place,
which shifts relative coordinates by up to 25 %.

Beside the model: the same network before training (`untrained`), and answering with the same relative place (`coordinates`). Every
finished seed is a line of runs.jsonl; called again with the same output folder, it goes on. table.md is written from what is finished.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medssl.core.errors import VolumeError
from medssl.core.files import write_json
from medssl.evaluation.statistics.pair_bootstrap import PairBootstrap
from medssl.images.formats.reading import read_volume
from medssl.images.geometry import reorient
from medssl.images.volume import Volume
from medssl.inference.untrained import untrained
from medssl.inference.volumes.voxel_grid import VoxelGrid, describe_volume
from medssl.inspection.volume_match.place_search import find_places
from medssl.networks.network import Network
from medssl.networks.weights.weight_files import load_weights

POINTS, OTHERS = 8, 2  # of each scan: points of a copy; further scans that its landmarks are looked for in
TURN, SCALE, KEPT, SHIFTED = 20.0, (0.8, 1.25), 0.85, 0.75  # degrees; shares of a copy's and of a shifted crop's sides
RADIUS = 10.0  # mm
TITLES = {
    "copies": "(a) moved copies (simulated)",
    "landmarks": "(b) landmarks",
    "shifted": "(b) landmarks, shifted crops",
}


def main() -> None:
    """Split, train and measure what is not done yet, and write the table."""
    asked = _arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in (asked.data / "labels").glob("*.nii.gz"))
    random.Random(0).shuffle(names)
    held_out = names[: asked.test]
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        if all(one["seed"] != seed for one in runs(asked.output)):
            model, seconds = trained(seed, set(held_out), asked)
            names = held_out[: asked.measured or None]
            rows = measure(load_weights(model).eval(), seed, names, asked.data, asked.near)
            with (asked.output / "runs.jsonl").open("a") as file:
                file.write(json.dumps({"seed": seed, "model": str(model), "seconds": seconds, "rows": rows}) + "\n")
        report(asked.output)


def trained(seed: int, held_out: set[str], asked: argparse.Namespace) -> tuple[Path, float]:
    """The model of a seed and how long it took; one that an earlier call has trained is taken."""
    note = asked.output / f"seed-{seed}.json"
    if not note.is_file():
        model, seconds = train(seed, held_out, asked)
        write_json(note, {"model": str(model), "seconds": seconds})
    found = json.loads(note.read_text())
    return Path(found["model"]), found["seconds"]


def train(seed: int, held_out: set[str], asked: argparse.Namespace) -> tuple[Path, float]:
    """The laptop preset by the command line, as users take it: the model, and how long it took."""
    images = [path for part in ("images", "unlabelled") for path in sorted((asked.data / part).glob("*.nii.gz"))]
    table = asked.output / "training.csv"
    with table.open("w", newline="") as file:
        rows = [(str(path), path.name, "MR") for path in images if path.name not in held_out]
        csv.writer(file).writerows([("image", "patient", "modality"), *rows])
    command = [
        str(Path(sys.executable).with_name("medssl")), "pretrain", str(table), "--method", "anatomy3d", "--preset", "laptop",
        "--validation-fraction", "0.05", "--set", f"training.seed={seed}", "--name", f"seed-{seed}", "--device", asked.device,
        "--home", str(asked.output / "home"), *(part for one in asked.set for part in ("--set", one)),
    ]  # fmt: skip
    begun = time.monotonic()
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(said.strip().splitlines()[-1]), time.monotonic() - begun


def measure(net: Network, seed: int, names: Sequence[str], data: Path, near: bool = True) -> list[dict[str, Any]]:
    """A row per point and way to find it: what, first, second (scans), by, error (mm); `near`: also within RADIUS."""
    nets, rng = {"model": net, "untrained": untrained(net.plan, seed)}, np.random.default_rng(0)
    errors = partial(_errors, nets=nets, near=near)
    scans = [reorient(replace(read_volume(data / "images" / name), modality="MR", name=name)) for name in names]
    labels = [reorient(read_volume(data / "labels" / name)) for name in names]
    rows = []
    for number, (scan, label) in enumerate(zip(scans, labels)):
        copies = [moved_copy(scan, rng) for _ in range(2)]
        points, truth = points_of_copies(copies, scan, rng)
        rows += errors("copies", copies[0][0], copies[1][0], points, truth, scan.name, scan.name)
        own = landmarks(label)
        for step in range(1, OTHERS + 1):
            other = (number + step) % len(scans)
            there, wanted = scans[other], landmarks(labels[other])
            rows += errors("landmarks", scan, there, own, wanted, scan.name, there.name)
            crop = shifted_crop(there, rng)
            inside = np.array([_holds(crop, point) for point in wanted])
            if inside.any():
                rows += errors("shifted", scan, crop, own[inside], wanted[inside], scan.name, there.name)
    return rows


def _errors(
    what: str, source: Volume, target: Volume, points: np.ndarray, truth: np.ndarray, first: str, second: str,
    nets: dict[str, Network], near: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Errors in mm of every way to find points (Q, 3) of the source in the target, mm in LPS."""
    found: dict[str, np.ndarray] = {}
    grids: list[VoxelGrid] = []
    for name, net in nets.items():
        grids = [describe_volume(volume, net) for volume in (source, target)]
        ways: dict[str, Callable[[], Any]] = {
            name: lambda g=grids, n=net: [m for m, _ in find_places(g[0], g[1], n, points)],
            f"{name}, cells alone": lambda g=grids, n=net: [
                m for m, _ in find_places(g[0], g[1], n, points, refine=False)
            ],
        }
        if near:
            ways[f"{name}, within {RADIUS:g} mm"] = lambda g=grids, n=net: near_places(g, n, points)
        found |= {way: np.array([getattr(match, "point", match) for match in search()]) for way, search in ways.items()}
    found["coordinates"] = grids[1].points_at(grids[0].relative(points))
    return [
        {"what": what, "first": first, "second": second, "by": by, "error": round(float(error), 3)}
        for by, places in found.items()
        for error in np.linalg.norm(places - truth, axis=1)
    ]


def near_places(grids: list[VoxelGrid], net: Network, points: np.ndarray) -> list[np.ndarray]:
    """Where points are found within RADIUS; the same relative place where nothing is shown there, as beside a turned copy."""
    source, target = grids
    found = []
    for point in points:
        try:
            found.append(next(find_places(source, target, net, point[None], RADIUS))[0].point)
        except VolumeError:
            found.append(target.points_at(source.relative(point)))
    return found


Copy = tuple[Volume, np.ndarray, np.ndarray]  # and the map from its voxels to the scan's: matrix @ voxel + offset


def moved_copy(scan: Volume, rng: np.random.Generator) -> Copy:
    """A scan under an affine map, in a box of a part of its sides at a random place."""
    turn = Rotation.from_euler("xyz", rng.uniform(-TURN, TURN, 3), degrees=True).as_matrix()
    matrix = turn * np.exp(rng.uniform(*np.log(SCALE)))
    shape = np.array([round(KEPT * side) for side in scan.shape])
    centre = (np.array(scan.shape) - 1) / 2 + rng.uniform(-0.5, 0.5, 3) * (np.array(scan.shape) - shape)
    offset = centre - matrix @ ((shape - 1) / 2)
    moved = ndimage.affine_transform(scan.array.astype(np.float32), matrix, offset, tuple(shape), order=1)
    return replace(scan, array=moved, statistics=None), matrix, offset


def points_of_copies(copies: Sequence[Copy], scan: Volume, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of the first copy that show the scan, and where they lie in the second: (POINTS, 3) each, mm in LPS."""
    (first, matrix, offset), (second, other, shift) = copies
    points, truth = [], []
    while len(points) < POINTS:
        voxel = rng.uniform(0, np.array(first.shape) - 1)
        of_scan = matrix @ voxel + offset
        there = np.linalg.solve(other, of_scan - shift)
        if (of_scan >= 0).all() and (of_scan <= np.array(scan.shape) - 1).all() and _inside(second, there):
            points.append(_world(first, voxel))
            truth.append(_world(second, there))
    return np.array(points), np.array(truth)


def landmarks(label: Volume) -> np.ndarray:
    """(6, 3) mm in LPS: the middle of classes 1 and 2; the foremost, hindmost, highest and lowest place of both."""
    voxels = np.argwhere(label.array > 0)
    middles = [np.argwhere(label.array == value).mean(axis=0) for value in (1, 2)]
    ends = [voxels[voxels[:, axis] == end(voxels[:, axis])].mean(axis=0) for axis in (1, 2) for end in (np.min, np.max)]
    return np.array([_world(label, voxel) for voxel in [*middles, *ends]])


def shifted_crop(scan: Volume, rng: np.random.Generator) -> Volume:
    """A box of a part of the sides of a scan at a random place."""
    sides = [round(SHIFTED * side) for side in scan.shape]
    starts = [int(rng.integers(0, n - side + 1)) for n, side in zip(scan.shape, sides)]
    return scan.crop([(start, start + side) for start, side in zip(starts, sides)])


def _world(volume: Volume, voxel: np.ndarray) -> np.ndarray:
    return volume.origin + volume.direction @ (volume.spacing * voxel)


def _inside(volume: Volume, voxel: np.ndarray) -> bool:
    return bool((voxel >= 0).all() and (voxel <= np.array(volume.shape) - 1).all())


def _holds(volume: Volume, point: np.ndarray) -> bool:
    return _inside(volume, np.linalg.solve(volume.direction * volume.spacing, point - volume.origin))


def runs(output: Path) -> list[dict[str, Any]]:
    """What is finished; a torn last line is not."""
    path = output / "runs.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def report(output: Path) -> None:
    """Write table.md: median and mean over points, seeds meaned, and the difference of means to both rivals."""
    found = runs(output)
    lines = [f"{len(found)} seeds ({', '.join(str(one['seed']) for one in found)})", ""]
    for what, title in TITLES.items():
        per_seed = [[row for row in one["rows"] if row["what"] == what] for one in found]
        ways = [by for by in dict.fromkeys(row["by"] for row in per_seed[0])
                if all(any(row["by"] == by for row in rows) for rows in per_seed)]  # fmt: skip
        errors = {by: np.array([[r["error"] for r in rows if r["by"] == by] for rows in per_seed]) for by in ways}
        pairs = [(row["first"], row["second"]) for row in per_seed[0] if row["by"] == "coordinates"]
        draws = PairBootstrap(*(list(side) for side in zip(*pairs)))
        lines += [
            f"{title}, {len(pairs)} points of {draws.patients} scans", "",
            "| by | median (mm) | mean (mm), 95 % | mean of each seed | against coordinates | against untrained |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for by in ways:
            against = [
                _difference(draws, errors[by] - errors[rival])
                for rival in ("coordinates", by.replace("model", "untrained"))
            ]
            mean, seeds = (
                draws.mean(errors[by].mean(axis=0)),
                ", ".join(f"{one:.2f}" for one in errors[by].mean(axis=1)),
            )
            median = np.median(errors[by], axis=1).mean()
            lines.append(
                f"| {by} | {median:.2f} | {mean.value:.2f}{_ends(mean)} | {seeds} | {against[0]} | {against[1]} |"
            )
        lines.append("")
    (output / "table.md").write_text("\n".join(lines))
    print("\n".join(lines), flush=True)


def _difference(draws: PairBootstrap, differences: np.ndarray) -> str:
    if not differences.any():
        return "-"
    mean = draws.mean(differences.mean(axis=0))
    return f"{mean.value:+.2f}{_ends(mean)}"


def _ends(interval: Any) -> str:
    return "" if interval.low is None else f" ({interval.low:.2f} to {interval.high:.2f})"


def _arguments() -> argparse.Namespace:
    def absolute(text: str) -> Path:
        return Path(text).absolute()

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=absolute, required=True, help="folder with images/, labels/, unlabelled/")
    parser.add_argument("--output", type=absolute, default=Path("anatomy3d").absolute())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--test", type=int, default=60, help="labelled scans that are held out")
    parser.add_argument("--measured", type=int, default=0, help="of these, how many are measured on; 0: all")
    parser.add_argument(
        "--no-near", dest="near", action="store_false", help=f"leave out the search within {RADIUS:g} mm"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="a further setting of the training: NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
