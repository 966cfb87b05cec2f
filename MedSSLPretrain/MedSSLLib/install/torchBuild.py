"""Which build of PyTorch a computer gets, and why: pure functions over its description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from medssl.jobs.cards import LEAST_DRIVERS, Card, as_numbers
from MedSSLLib.install.machine import Machine

INDEXES, ORDINARY, FOLDER_FIRST, FOLDER = "indexes", "ordinary", "folder-first", "folder"  # where packages come from
AUTO, CPU = "auto", "cpu"
CHOICES = (
    AUTO,
    CPU,
    "cu130",
    "cu128",
    "cu126",
    "cu118",
    "rocm7.0",
    "rocm6.4",
)  # as `uv pip install --torch-backend` names them
TORCH, TORCHVISION = "torch>=2.6", "torchvision"
CUDA_13, CUDA_12 = "", ",<2.11"  # which torch of the ordinary package index for Linux has which CUDA
CUDA_12_OLD_CARDS = ",<2.8"  # CUDA 12.6; later builds leave out cards before Turing
TURING, MAXWELL = (7, 5), (5, 0)  # compute capability: the oldest of the CUDA 13 builds, and of the 12.6 build
GIB = 2**30
SIZES = {
    "cuda": 10 * GIB,
    "rocm": 24 * GIB,
    CPU: 4 * GIB,
}  # of the whole environment and what installing it takes for a while
WHEEL = re.compile(r"(?P<name>torch|torchvision)-(?P<version>[^-]+)-(?P<python>cp\d+)-[^-]+-(?P<platform>.+)\.whl")


@dataclass(frozen=True)
class Build:
    """A build of PyTorch.

    Attributes:
        backend: what `--torch-backend` gets; "" leaves it out.
        title: what the panel calls it.
        usesGpu: whether the machine's GPU will be used.
        reason: why this one, or why no GPU is used; a sentence without its stop.
        requirements: of torch and torchvision.
        bytes: what has to be free on the disk.
    """

    backend: str
    title: str
    usesGpu: bool
    reason: str
    requirements: tuple[str, ...] = (TORCH, TORCHVISION)
    bytes: int = SIZES[CPU]


def chosenBuild(machine: Machine, source: str = INDEXES, wanted: str = "", wheels: Sequence[str] = ()) -> Build:
    """The build for a machine.

    Args:
        machine: the computer.
        source: where the packages come from.
        wanted: a name of CHOICES that the user has chosen; "" chooses by the machine. Only PyTorch's own index has a choice.
        wheels: file names in the folder of wheels.
    """
    if source in (FOLDER, FOLDER_FIRST):
        return _inFolder(machine, wheels)
    if machine.system == "Darwin":
        return Build("", _("PyTorch for macOS"), True, _("it uses the Apple GPU where you choose the device mps"))
    if source == ORDINARY:
        return _ordinary(machine)
    if wanted and wanted != AUTO:
        return _named(machine, wanted)
    return _automatic(machine)


def _automatic(machine: Machine) -> Build:
    card = machine.card
    if card is not None:
        return _forCard(card, machine.system)
    if machine.amd and machine.system == "Linux":
        return Build(AUTO, _("ROCm"), True, _("for the AMD GPU ({name})").format(name=machine.amd), bytes=SIZES["rocm"])
    # Never `auto` here: where uv finds no other card it takes an Intel GPU, whose build is large and which MedSSL cannot use
    return Build(CPU, _("CPU"), False, _noCard(machine))


def _noCard(machine: Machine) -> str:
    if machine.silentDriver:
        return _("NVIDIA's driver is installed but shows no card: restart the computer or install the driver again")
    return _("no NVIDIA card and no AMD card with ROCm was found")


def _forCard(card: Card, system: str) -> Build:
    driver, capability = as_numbers(card.driver), card.capability
    known = {major: driver >= as_numbers(both[system == "Windows"]) for major, both in LEAST_DRIVERS.items()}
    if capability and capability < MAXWELL:
        return Build(CPU, _("CPU"), False, _("{name} is too old for PyTorch").format(name=card.name))
    if not known[11]:
        reason = _("the driver {driver} is too old: update it to {least} or later, then press Repair")
        least = LEAST_DRIVERS[12][system == "Windows"]
        return Build(CPU, _("CPU"), False, reason.format(driver=card.driver, least=least))
    if not known[12]:
        reason = _("the driver {driver} knows no newer CUDA; after an update press Repair").format(driver=card.driver)
        return Build("cu118", _("CUDA 11.8"), True, reason, bytes=SIZES["cuda"])
    if capability and capability < TURING:
        reason = _("newer builds leave out {name}").format(name=card.name)
        return Build("cu126", _("CUDA 12.6"), True, reason, bytes=SIZES["cuda"])
    title = _("CUDA 13") if known[13] else _("CUDA 12")
    return Build(AUTO, title, True, _("for driver {driver}").format(driver=card.driver), bytes=SIZES["cuda"])


def _named(machine: Machine, wanted: str) -> Build:
    if wanted == CPU:
        return Build(CPU, title(CPU), False, _("you chose the CPU build"))
    kind = "rocm" if wanted.startswith("rocm") else "cuda"
    fits = bool(machine.amd) if kind == "rocm" else machine.card is not None
    reason = _("you chose it") if fits else _("you chose it, and no card for it was found")
    return Build(wanted, title(wanted), fits, reason, bytes=SIZES[kind])


def _ordinary(machine: Machine) -> Build:
    """The package index has one build for each system: CUDA for Linux, CPU for Windows."""
    card = machine.card
    if machine.system == "Windows":
        reason = _("the ordinary package index has no other for Windows")
        if card is not None:
            reason = _("the ordinary package index has no other for Windows, so {name} will not be used").format(
                name=card.name
            )
        return Build("", _("CPU"), False, reason)
    both = dict(bytes=SIZES["cuda"])
    if card is None:
        reason = _("the ordinary package index has no smaller one for Linux; it computes on the CPU as well")
        return Build("", _("CUDA 13"), False, reason, **both)
    automatic = _forCard(card, machine.system)
    if not automatic.usesGpu or automatic.backend == "cu118":
        reason = _(
            "the driver {driver} is too old for what the ordinary package index has: update it, then press Repair"
        )
        return Build("", _("CUDA 12"), False, reason.format(driver=card.driver), _limited(CUDA_12), **both)
    if automatic.backend == "cu126":
        return Build("", _("CUDA 12.6"), True, automatic.reason, _limited(CUDA_12_OLD_CARDS), **both)
    if as_numbers(card.driver) < as_numbers(LEAST_DRIVERS[13][0]):
        return Build("", _("CUDA 12.8"), True, automatic.reason, _limited(CUDA_12), **both)
    return Build("", _("CUDA 13"), True, automatic.reason, _limited(CUDA_13), **both)


def _limited(limit: str) -> tuple[str, ...]:
    return (TORCH + limit, TORCHVISION)


def _inFolder(machine: Machine, wheels: Sequence[str]) -> Build:
    """What the folder holds, pinned: a newer one of the package index must not take its place."""
    newest: dict[str, str] = {}
    for match in filter(None, map(WHEEL.fullmatch, wheels)):
        name, version = match["name"], match["version"].replace("%2B", "+")
        if name not in newest or as_numbers(version) > as_numbers(newest[name]):
            newest[name] = version
    local = newest.get("torch", "").partition("+")[2]
    if local.startswith("rocm"):
        fits, size = bool(machine.amd), SIZES["rocm"]
    else:
        fits, size = machine.card is not None and local != CPU, SIZES[CPU if local == CPU else "cuda"]
    reason = _("the folder holds torch {version}").format(version=newest.get("torch", ""))
    requirements = tuple(f"{name}=={newest[name]}" for name in ("torch", "torchvision") if name in newest)
    return Build("", title(local) if local in CHOICES else _("as in the folder"), fits, reason, requirements, size)


def title(name: str) -> str:
    """What the panel calls a name of CHOICES."""
    if name.startswith("cu"):
        return _("CUDA {version}").format(version=f"{name[2:-1]}.{name[-1]}")
    if name.startswith("rocm"):
        return _("ROCm {version}").format(version=name[4:])
    return {AUTO: _("Automatic"), CPU: _("CPU")}[name]
