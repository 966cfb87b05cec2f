"""What does it cost to declare 700 000 images? Processor time and peak memory of reading, checking and starting, in children of their own.

python backend/benchmarks/declared_sets.py [--images 700000] [--files 50000] [--json]          (Linux)

Tables are synthetic, in the public layouts of MIMIC-CXR (three joined tables), CheXpert and ChestX-ray14, without images. Beside them,
in the same run, a reader that keeps a dictionary per row. What asking for every file costs (elapsed time) is measured
on real small files and, for all images, extrapolated.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

SHARES = {"mimic-cxr": 0.53, "chexpert": 0.31, "chestxray14": 0.16}


def dataset_specs(root: Path) -> list[Any]:
    """The three sets below a folder."""
    from medssl.datasets.spec.spec_files import ready_made

    made = {name: replace(ready_made()[name], root=str(root / name), only={}) for name in SHARES}
    made["chestxray14"] = replace(
        made["chestxray14"], images="images/{Image Index}", split=""
    )  # no folders to be listed
    return list(made.values())


def write_tables(root: Path, images: int) -> None:
    """Rows of images of patients with three images each; labels at random."""
    draw = random.Random(0)
    for name, share in SHARES.items():
        (root / name).mkdir(parents=True)
        {"mimic-cxr": write_mimic, "chexpert": write_chexpert, "chestxray14": write_chest14}[name](
            root / name, round(images * share), draw
        )


def write_mimic(root: Path, images: int, draw: random.Random) -> None:
    names = classes("mimic-cxr")
    ids = [(f"{draw.getrandbits(160):040x}", 10_000_000 + n // 3, 50_000_000 + n // 2 * 2) for n in range(images)]
    write(
        root / "mimic-cxr-2.0.0-metadata.csv", ["dicom_id", "subject_id", "study_id", "ViewPosition"],
        ([*one, draw.choice(("PA", "AP"))] for one in ids),
    )  # fmt: skip
    parts = ["validate" if p % 50 == 0 else "test" if p % 50 == 1 else "train" for _, p, _ in ids]
    rows = ([d, s, p, part] for (d, p, s), part in zip(ids, parts))
    write(root / "mimic-cxr-2.0.0-split.csv", ["dicom_id", "study_id", "subject_id", "split"], rows)
    studies = dict.fromkeys((p, s) for _, p, s in ids)
    rows = ([*one, *labels(len(names), draw)] for one in studies)
    write(root / "mimic-cxr-2.0.0-chexpert.csv", ["subject_id", "study_id", *names], rows)


def write_chexpert(root: Path, images: int, draw: random.Random) -> None:
    names = classes("chexpert")
    for part, numbers in (("train", range(234, images)), ("valid", range(234))):
        path = "CheXpert-v1.0/{}/patient{:05}/study{}/view1_frontal.jpg"
        rows = (
            [path.format(part, n // 3, n % 3), "Female", 60, "Frontal", "AP", *labels(len(names), draw)]
            for n in numbers
        )
        write(root / f"{part}.csv", ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *names], rows)


def write_chest14(root: Path, images: int, draw: random.Random) -> None:
    names = classes("chestxray14")
    head = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Sex", "View Position"]
    rows = (
        [
            f"{n // 3:08}_{n % 3:03}.png",
            "|".join(draw.sample(names, draw.choice((1, 1, 2)))),
            n % 3,
            n // 3,
            50,
            "M",
            "PA",
        ]
        for n in range(images)
    )
    write(root / "Data_Entry_2017_v2020.csv", head, rows)


def classes(name: str) -> list[str]:
    from medssl.datasets.spec.spec_files import ready_made

    return list(ready_made()[name].classes)


def labels(count: int, draw: random.Random) -> list[str]:
    return draw.choices(("", "0.0", "1.0", "-1.0"), (70, 12, 15, 3), k=count)


def write(path: Path, names: list[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows((names, *rows))


def measure_start(root: Path) -> dict[str, float]:
    """Read three sets and make the training's samples, as a job does when it starts."""
    from medssl.datasets.cache.prepared_images import PreparedImages
    from medssl.datasets.crops.multi_set import MultiSetSamples, set_parts
    from medssl.datasets.crops.set_schedule import SetSchedule
    from medssl.datasets.spec.read_dataset import read_dataset
    from medssl.images.intensity.config import NormalisationConfig

    asked = dataset_specs(root)
    before, begun = peak(), time.process_time()
    sets = [read_dataset(one) for one in asked]
    read = time.process_time() - begun
    parts = [set_parts(one, 0.1, 0)[0] for one in sets]
    schedule = SetSchedule([len(one.images) for one in parts], 64)
    samples = MultiSetSamples(parts, schedule, PreparedImages(None, 224, NormalisationConfig()), 0)
    started = time.process_time() - begun
    images = sum(len(one) for one in sets)
    return {"images": images, "training": sum(len(one.images) for one in samples.sets), "read_s": read, "start_s": started,
            "imports_mib": before, "peak_mib": peak()}  # fmt: skip


def measure_check(root: Path) -> dict[str, float]:
    """Check three sets without asking for their files."""
    from medssl.datasets.spec.check import check_sets

    asked = dataset_specs(root)
    before, begun = peak(), time.process_time()
    reports = check_sets(asked, files=False)
    wrong = [error for report in reports for error in report["errors"]]
    assert not wrong, wrong
    return {"images": sum(report["images"] for report in reports), "check_s": time.process_time() - begun,
            "imports_mib": before, "peak_mib": peak()}  # fmt: skip


def measure_plain(root: Path) -> dict[str, float]:
    """The same tables as a list of dictionaries per table: no joins, no checks, no labels as numbers."""
    before, begun = peak(), time.process_time()
    tables = []
    for path in sorted(root.glob("*/*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    return {
        "rows": sum(map(len, tables)),
        "read_s": time.process_time() - begun,
        "imports_mib": before,
        "peak_mib": peak(),
    }


def measure_files(root: Path) -> dict[str, float]:
    """What asking for the files costs: a check with it less a check without."""
    from medssl.datasets.spec.check import check_sets
    from medssl.datasets.spec.spec import DatasetSpec

    asked = DatasetSpec.from_dict(
        {"name": "files", "root": str(root), "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}
    )

    def check(files: bool) -> float:
        begun = time.perf_counter()
        (report,) = check_sets([asked], files=files)
        assert not report["errors"], report["errors"]
        return time.perf_counter() - begun

    check(True)
    without, with_files = check(False), check(True)
    return {"check_s": without, "files_s": with_files - without}


def write_files(root: Path, count: int) -> None:
    """Small pictures in folders of a thousand."""
    import io

    import numpy as np
    from PIL import Image

    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (72, 72), dtype=np.uint8)).save(picture, "PNG")
    names = [f"{n // 1000:03}/{n % 1000:03}.png" for n in range(count)]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture.getvalue())
    write(root / "x.csv", ["image", "patient", "A"], ([name, n // 3, n % 2] for n, name in enumerate(names)))


def peak() -> float:
    """Peak memory of this process in MiB (not of its parent, which getrusage counts in)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "start": measure_start, "check": measure_check, "plain": measure_plain, "files": measure_files,
}  # fmt: skip


def in_child(what: str, root: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, "--data", str(root)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ}).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=700_000)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", choices=tuple(MEASURES), help=argparse.SUPPRESS)  # in the measured process
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder) / "tables", options.images)
        found: dict[str, Any] = {what: in_child(what, Path(folder) / "tables") for what in ("start", "check", "plain")}
        write_files(Path(folder) / "files", options.files)
        found["files"] = {"files": options.files, **in_child("files", Path(folder) / "files")}
    found["ratios"] = {
        "start_memory_of_plain": own(found["start"]) / own(found["plain"]),
        "check_memory_of_plain": own(found["check"]) / own(found["plain"]),
        "read_time_of_plain": found["start"]["read_s"] / found["plain"]["read_s"],
    }
    found["extrapolated_files_s"] = found["files"]["files_s"] / options.files * found["start"]["images"]
    print(json.dumps(found, indent=2) if options.json else told(found))


def own(one: dict[str, float]) -> float:
    """Peak memory beyond that of the imports, in MiB."""
    return one["peak_mib"] - one["imports_mib"]


def told(found: dict[str, Any]) -> str:
    start, check, plain, files = (found[what] for what in ("start", "check", "plain", "files"))
    return "\n".join([
        f"start: {start['images']:.0f} images of 3 sets read in {start['read_s']:.1f} s, samples ready after "
        f"{start['start_s']:.1f} s; peak {start['peak_mib']:.0f} MiB, {start['imports_mib']:.0f} of them imports (torch)",
        f"check: {check['check_s']:.1f} s without files; peak {check['peak_mib']:.0f} MiB, {check['imports_mib']:.0f} of them imports",
        f"a dictionary per row: {plain['read_s']:.1f} s; peak {plain['peak_mib']:.0f} MiB",
        f"ratios to that: memory beyond imports {found['ratios']['start_memory_of_plain']:.2f} (start), "
        f"{found['ratios']['check_memory_of_plain']:.2f} (check); time of reading {found['ratios']['read_time_of_plain']:.2f}",
        f"asking for {files['files']} files: {files['files_s']:.2f} s; extrapolated to all images "
        f"{found['extrapolated_files_s']:.1f} s on this disk",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
