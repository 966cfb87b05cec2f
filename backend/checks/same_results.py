"""Does the product still compute what it computed? `same_results.py record` writes a list of hashes, `compare` runs again.

    python backend/checks/same_results.py record               # at the commit that is to be compared with
    python backend/checks/same_results.py compare --keep new   # exit status 1, and the items that differ, if any do

It drives the product from outside only (command line, HTTP, job and result folders, weight files), on inputs it makes itself,
so that it outlives any rearrangement inside. Bits are compared: hashes hold for one kind of machine and one set of packages,
which the list names; record again, at the old commit, where those differ. With `--keep FOLDER` the masked texts behind the
hashes are left there, so that `diff -r` shows what has changed. `--work FOLDER` keeps inputs, home folder and outputs.

What is masked, and what may change without being told, stands in `masks.py`: MASKED_*, EXEMPT_*.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import inspections
import jobs
from digests import Texts, folder_texts, keep, of_texts
from inputs import write_inputs
from masks import Masks
from product import ENVIRONMENT, Product, Server

LIST = Path(__file__).with_suffix(".json")
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "SimpleITK",
    "pillow",
    "matplotlib",
    "timm",
    "monai",
    "safetensors",
)


def run(work: Path) -> Texts:
    """Do everything in an empty folder; the masked texts."""
    inputs = write_inputs(work / "inputs")
    (work / "home").mkdir()
    product = Product(work / "home", inputs.folder)
    masks = Masks({"home": str(work / "home"), "inputs": str(inputs.folder), "work": str(work)}, product.jobs)
    jobs.pretrain(product, inputs)
    product.wait(*jobs.PRETRAINED)
    jobs.finetune(product, inputs)
    with Server(product) as server:  # answers while jobs run
        asked = (*inspections.data(product, inputs), *inspections.pretrained(product, inputs))
        texts = inspections.answers(server, asked, masks)
        product.wait(*jobs.FINETUNED)
        jobs.apply(product, inputs)
        jobs.compare(product, inputs)
        texts |= inspections.answers(server, inspections.finetuned(product, inputs), masks)
    evaluated = jobs.evaluate(product, inputs)
    product.wait(*product.jobs.values())
    texts |= jobs.job_texts(product, masks)
    texts |= folder_texts(work / "applied", "applied", masks)
    return texts | folder_texts(evaluated, "evaluated", masks)


def environment() -> dict[str, str]:
    """What the bits depend on beside the product."""
    packages = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "cpu": cpu(), "threads": ENVIRONMENT["OMP_NUM_THREADS"], **packages}


def cpu() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Items that differ, in words."""
    told = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            how = "is new" if name not in before else "is gone" if name not in after else "differs"
            told.append(f"{name} {how}")
    return told


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line; 0 where nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("--list", type=Path, default=LIST, help="the list of hashes (%(default)s)")
    parser.add_argument("--keep", type=Path, help="a folder for the masked texts")
    parser.add_argument(
        "--work", type=Path, help="an empty folder for inputs, jobs and outputs (default: a temporary one)"
    )
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="medssl-") as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        texts = run(work.resolve())
    if options.keep:
        keep(texts, options.keep)
    items, here = of_texts(texts), environment()
    print(f"{len(items)} items in {time.monotonic() - begun:.0f} s")
    if options.action == "record":
        options.list.write_text(json.dumps({"environment": here, "items": items}, indent=1) + "\n", encoding="utf-8")
        return 0
    recorded = json.loads(options.list.read_text(encoding="utf-8"))
    for name in sorted(here.keys() | recorded["environment"].keys()):
        if here.get(name) != recorded["environment"].get(name):
            print(f"note: {name} is {here.get(name)}, was {recorded['environment'].get(name)} when recorded")
    told = differences(recorded["items"], items)
    print("\n".join(told) if told else "nothing differs")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
