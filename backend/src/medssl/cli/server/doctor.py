"""`medssl doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from medssl.cli.options import AsJson, Home
from medssl.cli.output import err, out, print_json, print_table
from medssl.core.home import NEUTRAL_FOLDER, home_folder
from medssl.jobs.cards import REPAIR, known_cards

PACKAGES = (
    "torch", "monai", "timm", "lightning-fabric", "SimpleITK", "numba", "numpy", "scikit-learn", "blosc2", "safetensors", "fastapi",
    "pydicom", "dynamic-network-architectures",
)  # fmt: skip
LEAST_FREE_DISK = 5 * 2**30
LEAST_MEMORY = 4 * 2**30


@dataclass(frozen=True)
class Diagnosis:
    """One line of the doctor's report."""

    what: str
    found: str
    good: bool
    remedy: str = ""


def doctor(as_json: AsJson = False, home: Home = None) -> None:
    """Check Python, packages, devices, memory, disk and server.

    The exit status is 1 where something must be mended.
    """
    folder = home_folder(home)
    findings = [*_python(), *_packages(), *_torchvision(), *_devices(), *_memory(), *_disk(folder), *_server(folder)]
    if as_json:
        print_json(findings)
    else:
        print_table(("", "what", "found"), [("ok" if f.good else "!!", f.what, f.found) for f in findings], names=2)
        for finding in findings:
            if not finding.good:
                err.print(f"{finding.what}: {finding.remedy}.", markup=False)
        if all(f.good for f in findings):
            out.print("Everything works.")
    raise typer.Exit(0 if all(f.good for f in findings) else 1)


def _python() -> Iterator[Diagnosis]:
    yield Diagnosis(
        "Python",
        f"{platform.python_version()} at {sys.executable}",
        sys.version_info >= (3, 10),
        "Use Python 3.10 or later",
    )


def _packages() -> Iterator[Diagnosis]:
    for name in PACKAGES:
        try:
            yield Diagnosis(name, metadata.version(name), True)
        except metadata.PackageNotFoundError:
            run = f"Run: {sys.executable} -m pip install {name}"  # an environment made by uv has no pip
            remedy = (
                run
                if find_spec("pip")
                else f"Press Repair in the panel's Backend section, or run: uv pip install --python {sys.executable} {name}"
            )
            yield Diagnosis(name, "not installed", False, remedy)


def _devices() -> Iterator[Diagnosis]:
    from medssl.jobs.device_probe import probe

    devices = probe()
    for device in devices:
        found = f"{device['description']}, {device['free_bytes'] / 2**30:.1f} of {device['memory_bytes'] / 2**30:.1f} GiB free"
        remedy = "" if device["available"] else device["note"]
        yield Diagnosis(f"device {device['name']}", found, device["available"], remedy)
    yield _gpu(devices, card_is_here=bool(known_cards()))


def _gpu(devices: list[dict[str, Any]], card_is_here: bool) -> Diagnosis:
    """Whether a GPU is used, and if not, why; bad where there is a card that could be."""
    used = [device for device in devices if device["available"] and device["name"] != "cpu"]
    if used:
        names = ", ".join(f"{device['description']} ({device['memory_bytes'] / 2**30:.0f} GiB)" for device in used)
        return Diagnosis("GPU", f"used: {names}", True)
    notes = [device["note"] for device in devices if device["note"]]
    reason, _, remedy = (notes[0] if notes else "no GPU was found").partition("; ")
    return Diagnosis("GPU", f"not used: {reason}", not card_is_here, remedy[:1].upper() + remedy[1:])


def _torchvision() -> Iterator[Diagnosis]:
    """One of another build than torch is installed without complaint, and fails at its import."""
    if any(find_spec(name) is None for name in ("torch", "torchvision")):
        return
    command = [sys.executable, "-c", "import torchvision"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=NEUTRAL_FOLDER)
    reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
    found = metadata.version("torchvision")
    if done.returncode:
        yield Diagnosis(
            "torchvision", f"{found} does not fit torch {metadata.version('torch')} ({reason})", False, REPAIR
        )
    else:
        yield Diagnosis("torchvision", found, True)


def _memory() -> Iterator[Diagnosis]:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    yield Diagnosis("memory", found, memory.available >= LEAST_MEMORY, "Close other programs: training wants 4 GiB")


def _disk(home: Path) -> Iterator[Diagnosis]:
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    yield Diagnosis(
        "disk",
        f"{free / 2**30:.1f} GiB free at {home}",
        free >= LEAST_FREE_DISK,
        "Free some space, or set MEDSSL_HOME to a larger disk",
    )
    yield Diagnosis(
        "home folder", str(home), os.access(existing, os.W_OK), "Make it writable, or set MEDSSL_HOME to another folder"
    )


def _server(home: Path) -> Iterator[Diagnosis]:
    from medssl.client.backend import find

    address = find(home)
    yield Diagnosis("server", f"running at {address.url}" if address else "not running (started when needed)", True)
