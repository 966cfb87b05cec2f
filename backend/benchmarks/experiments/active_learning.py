"""Does *next case* choose better than chance? Rounds of labelling and training simulated on public hippocampi.

    python backend/benchmarks/experiments/active_learning.py --data shared/data/mr-hippocampus --rounds 4 --seeds 5 --minutes 2 --output loop

Each seed begins with the same few labelled volumes in both arms. Every round adds as many: `next` takes those that `medssl next`
ranks first, `random` draws them. Round 1 is `medssl finetune` from scratch, later ones are `medssl continue` with the same
settings, so that each round goes on from the model of the one before. 37 volumes are held out for testing and never chosen from, 5
validate in every round. Steps are fixed beforehand: a probe on other data (volumes without labels, thresholded) is timed once,
and `--minutes` of training at that pace are the steps of every round of every run.

Fixed beforehand: the result is the mean test Dice over the rounds after the first, next minus random, with a crossed bootstrap
over seeds and patients; the paired t interval over seeds stands beside it. Every finished run is a line of runs.jsonl; called
again with the same output folder, it goes on. curves.png and table.md are written from whatever is finished.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

from medssl.evaluation.prediction_tables import read_cases
from medssl.evaluation.statistics.significance import paired_t
from medssl.jobs.rounds import rounds_of
from medssl.jobs.store import JobStore

ARMS = ("next", "random")
VALIDATION = 5  # volumes, the same for every seed and arm
SHARE = 0.8  # of the minutes that are steps; the rest is start, reading and measuring
PROBE_STEPS, REPLICATES = 30, 5000
SETTINGS = ("crop=[40,56,40]", "training.batch_size=2")
COLUMNS = ("image", "patient", "mask", "split", "modality")


def main() -> None:
    """Split, fix the steps, run what is not done yet, and write picture and table."""
    asked = _arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    parts = split(asked.data, asked.test)
    parts["pool"] = parts["pool"][: asked.pool or None]
    steps = asked.steps or probed_steps(asked)
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for arm in ARMS:
            simulate(seed, arm, parts, steps, asked)
            report(asked.output)


def split(data: Path, test: int) -> dict[str, list[str]]:
    """Names of test, validation and pool, drawn once and for all."""
    names = sorted(path.name for path in (data / "labels").glob("*.nii.gz"))
    random.Random(0).shuffle(names)
    return {"test": names[:test], "val": names[test : test + VALIDATION], "pool": names[test + VALIDATION :]}


def probed_steps(asked: argparse.Namespace) -> int:
    """Steps of a round: `--minutes` at the pace of a training on other data, which is measured once."""
    path = asked.output / "probe.json"
    if not path.is_file():
        table = _probe_table(asked.data, asked.output / "probe")
        job = train(table, "probe", PROBE_STEPS, asked)
        pace = rounds_of(JobStore(asked.output / "home"), job)[-1].steps_per_s
        assert pace, "the probe has no pace"
        path.write_text(json.dumps({"steps_per_s": pace, "steps": int(60 * asked.minutes * SHARE * pace)}))
    return int(json.loads(path.read_text())["steps"])


def _probe_table(data: Path, folder: Path) -> Path:
    """A labelled set of volumes that the simulation does not know: what is bright is the object."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, image in enumerate(sorted((data / "unlabelled").glob("*.nii.gz"))[: 4 + VALIDATION]):
        picture = sitk.ReadImage(str(image))
        array = sitk.GetArrayFromImage(picture)
        mask = sitk.GetImageFromArray((array > np.percentile(array, 90)).astype(np.uint8))
        mask.CopyInformation(picture)
        sitk.WriteImage(mask, str(folder / image.name))
        rows.append((str(image), image.name, str(folder / image.name), "val" if number < VALIDATION else "train", "MR"))
    return _write(folder / "probe.csv", rows)


def simulate(seed: int, arm: str, parts: dict[str, list[str]], steps: int, asked: argparse.Namespace) -> None:
    """All rounds of one arm and seed; those that are done are read."""
    order = random.Random(seed + 1).sample(parts["pool"], len(parts["pool"]))
    labelled, job = order[: asked.first], ""
    for number in range(1, asked.rounds + 1):
        which = "both" if number == 1 else arm  # the first round is the same in both
        done = next(
            (one for one in runs(asked.output) if (one["seed"], one["arm"], one["round"]) == (seed, which, number)),
            None,
        )
        if done is None:
            begun = time.monotonic()
            if number > 1:
                labelled = [*labelled, *choose(arm, labelled, order, parts, job, asked)]
            table = labelled_table(
                asked.output / "tables" / f"{seed}-{which}-{number}.csv", labelled, parts, asked.data
            )
            name = f"{which}-{seed}-{number}"
            job = train(table, name, steps, asked, seed=100 * seed + number, model=job)
            done = {"seed": seed, "arm": which, "round": number, "labelled": labelled, "job": job, "steps": steps,
                    "seconds": time.monotonic() - begun, "dice": _test_dice(asked.output / "home" / "jobs" / job)}  # fmt: skip
            with (asked.output / "runs.jsonl").open("a") as file:
                file.write(json.dumps(done) + "\n")
            print(f"{name}: {len(labelled)} labelled, test Dice {np.mean(list(done['dice'].values())):.4f}", flush=True)
        labelled, job = done["labelled"], done["job"]


def choose(
    arm: str,
    labelled: Sequence[str],
    order: Sequence[str],
    parts: dict[str, list[str]],
    job: str,
    asked: argparse.Namespace,
) -> list[str]:
    """The cases of the next round."""
    if arm == "random":
        return [name for name in order if name not in labelled][: asked.per_round]
    folder = candidates(parts, asked)
    answer = _medssl(asked, "next", str(folder), "--modality", "MR", "--model", job, "--count",
                     str(asked.per_round), "--json")  # fmt: skip
    return [Path(row["path"]).name for row in json.loads(answer)]


def labelled_table(path: Path, labelled: Sequence[str], parts: dict[str, list[str]], data: Path) -> Path:
    """A catalogue of what is labelled, validates and tests."""
    known = [(name, "train") for name in labelled] + [(name, "val") for name in parts["val"]]
    known += [(name, "test") for name in parts["test"]]
    return _write(path, [(str(data / "images" / n), n, str(data / "labels" / n), part, "MR") for n, part in known])


def candidates(parts: dict[str, list[str]], asked: argparse.Namespace) -> Path:
    """A folder with links to the pool, away from the label maps; what the model's job learnt from is recognised there."""
    folder = asked.output / "candidates"
    folder.mkdir(exist_ok=True)
    for name in parts["pool"]:
        if not (folder / name).exists():
            (folder / name).symlink_to(asked.data / "images" / name)
    return folder


def train(table: Path, name: str, steps: int, asked: argparse.Namespace, seed: int = 0, model: str = "") -> str:
    """One round by the command line, as users take it; the job's id."""
    half = -(-steps // 2)
    settings = [
        f"training.steps={steps}", f"training.validate_every={half}", f"training.checkpoint_every={half}", f"training.seed={seed}"
    ]  # fmt: skip
    warm_up = f"training.warmup_steps={max(1, steps // 10)}"
    begin = ["finetune", str(table), "--preset", "minutes", "--test-fraction", "0", *_sets([*SETTINGS, warm_up])]
    if model:
        begin = ["continue", str(table), "--model", model]
    answer = _medssl(asked, *begin, *_sets([*settings, *asked.set]), "--name", name, "--device", asked.device)
    return Path(answer.strip().splitlines()[-1]).parents[1].name


def _sets(settings: Sequence[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def _medssl(asked: argparse.Namespace, *arguments: str) -> str:
    program = Path(sys.executable).with_name("medssl")
    command = [str(program), *arguments, "--home", str(asked.output / "home")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _test_dice(folder: Path) -> dict[str, float]:
    """Mean Dice over classes of each test patient; a class that is in neither map has none."""
    rows = [row for row in read_cases(folder / "results" / "cases.csv") if row["class"] == "mean"]
    return {row["patient"]: float(row["dice"]) for row in rows if row["dice"] is not None}


def runs(output: Path) -> list[dict[str, Any]]:
    """What is finished; a torn last line is not."""
    path = output / "runs.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def report(output: Path) -> None:
    """Write curves.png and table.md of the seeds that are finished in both arms."""
    found = runs(output)
    rounds = max((one["round"] for one in found), default=0)
    by = {(one["seed"], one["arm"], one["round"]): one for one in found}
    by |= {(seed, one_arm, 1): one for (seed, arm, _), one in list(by.items()) if arm == "both" for one_arm in ARMS}
    seeds = sorted({s for s, _, _ in by if all((s, arm, n) in by for arm in ARMS for n in range(1, rounds + 1))})
    if not seeds or rounds < 2:
        return
    patients = sorted(
        set.intersection(*(set(by[s, a, n]["dice"]) for s in seeds for a in ARMS for n in range(1, rounds + 1)))
    )
    dice = np.array(
        [[[[by[s, a, n]["dice"][p] for p in patients] for n in range(1, rounds + 1)] for s in seeds] for a in ARMS]
    )
    sizes = [
        len(by[seeds[0], "next", n]["labelled"]) for n in range(1, rounds + 1)
    ]  # dice: (arms, seeds, rounds, patients)
    _draw(output / "curves.png", dice.mean(axis=3), sizes)
    lines = [
        f"{len(seeds)} seeds, {len(patients)} test patients, {by[seeds[0], 'next', 1]['steps']} steps a round", "",
        "| labelled | next | random | difference (crossed bootstrap, 95 %) | paired t over seeds |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for number, size in enumerate(sizes):
        lines.append(_row(str(size), dice[:, :, number]))
    lines.append(_row("mean of rounds 2 on", dice[:, :, 1:].mean(axis=2)))
    (output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)


def _row(title: str, dice: np.ndarray) -> str:
    """A line of the table from Dice (2 arms, seeds, patients)."""
    (first, second), differences = dice.mean(axis=(1, 2)), dice[0] - dice[1]
    crossed = "-"
    if len(differences) > 1:
        low, high = crossed_interval(differences)
        crossed = f"{differences.mean():+.4f} ({low:+.4f} to {high:+.4f})"
    test = paired_t(dice[0].mean(axis=1), dice[1].mean(axis=1)) if len(differences) > 1 else None
    over_seeds = f"{test.low:+.4f} to {test.high:+.4f}" if test is not None and test.low is not None else "-"
    return f"| {title} | {first:.4f} | {second:.4f} | {crossed} | {over_seeds} |"


def crossed_interval(differences: np.ndarray, replicates: int = REPLICATES) -> tuple[float, float]:
    """2.5 and 97.5 % of the mean of (seeds, patients) when both are drawn anew, each with replacement."""
    rng, (seeds, patients) = np.random.default_rng(0), differences.shape
    means = [
        differences[np.ix_(rng.integers(seeds, size=seeds), rng.integers(patients, size=patients))].mean()
        for _ in range(replicates)
    ]
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def _draw(path: Path, dice: np.ndarray, sizes: Sequence[int]) -> None:
    """Learning curves: thin a seed, thick their mean."""
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for arm, curves, colour in zip(ARMS, dice, ("#d9822b", "#4a6fa5")):
        axes.plot(sizes, curves.T, color=colour, alpha=0.3, linewidth=1)
        axes.plot(
            sizes,
            curves.mean(axis=0),
            color=colour,
            linewidth=2.5,
            marker="o",
            label=f"{arm} (mean of {len(curves)} seeds)",
        )
    axes.set(xlabel="labelled volumes", ylabel="test Dice", xticks=list(sizes))
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=lambda text: Path(text).absolute(),
        required=True,
        help="folder with images/, labels/, unlabelled/",
    )
    parser.add_argument("--output", type=lambda text: Path(text).absolute(), default=Path("active-learning").absolute())
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=4, help="labelled volumes of the first round")
    parser.add_argument("--per-round", type=int, default=4, help="volumes that each further round adds")
    parser.add_argument("--test", type=int, default=37, help="volumes held out for testing")
    parser.add_argument("--pool", type=int, default=0, help="volumes to choose from, for trials; 0: all others")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training a round, as the probe times it")
    parser.add_argument("--steps", type=int, default=0, help="of a round; 0: as the probe says")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="a further setting: NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
