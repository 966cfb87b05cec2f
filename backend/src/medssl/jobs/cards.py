"""The NVIDIA cards of this machine, and which build of PyTorch can use them. Standard library only: the panel plans with it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from medssl.core.home import NEUTRAL_FOLDER

FIELDS = ("name", "memory.total", "driver_version", "compute_cap")  # old drivers do not know the last
QUERY_TIMEOUT_S = 20.0  # a sleeping card wakes up first
MIB = 2**20
# The oldest driver for each major version of CUDA, on Linux and on Windows (NVIDIA's table of minor version compatibility)
LEAST_DRIVERS = {13: ("580", "580"), 12: ("525.60.13", "528.33"), 11: ("450.80.02", "452.39")}
NO_GPU = "no GPU was found that PyTorch can use"
BUILD_FOR_OLD_DRIVERS = {12: "12.6", 11: "11.8"}
REPAIR = (
    "press Repair in the panel's Backend section, or run: "
    "uv pip install --torch-backend=auto --reinstall-package torch --reinstall-package torchvision torch torchvision"
)
OLDER = "choose the build for CUDA {cuda} in the panel's Backend section and press Repair"


@dataclass(frozen=True)
class Card:
    """One card, as its driver describes it; `capability` is None where an old driver does not tell."""

    name: str
    memory_bytes: int = 0
    driver: str = ""
    capability: tuple[int, int] | None = None


def nvidia_smi_places(variables: Mapping[str, str], system: str) -> list[str]:
    """Where the driver's own program may lie besides PATH."""
    if system == "Windows":
        windows, programs = (
            variables.get("SystemRoot", r"C:\Windows"),
            variables.get("ProgramFiles", r"C:\Program Files"),
        )
        return [
            str(PureWindowsPath(windows, "System32", "nvidia-smi.exe")),
            str(PureWindowsPath(programs, "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe")),
        ]
    return [str(PurePosixPath(folder, "nvidia-smi")) for folder in ("/usr/bin", "/usr/local/bin", "/usr/lib/wsl/lib")]


def nvidia_smi(variables: Mapping[str, str] = os.environ, system: str = platform.system()) -> str:
    """The driver's own program, or "" where there is none."""
    found = shutil.which("nvidia-smi", path=variables.get("PATH"))
    return found or next((place for place in nvidia_smi_places(variables, system) if os.path.isfile(place)), "")


def query(program: str, fields: Sequence[str] = FIELDS) -> list[str]:
    """The argument list that lists the cards, a line each."""
    return [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]


def read_cards(text: str) -> tuple[Card, ...]:
    """What `query` printed; lines of another form (an error of the driver) are left out."""
    return tuple(card for line in text.splitlines() if (card := _card([part.strip() for part in line.split(",")])))


def _card(parts: list[str]) -> Card | None:
    if len(parts) < 3 or not re.fullmatch(r"\d+(\.\d+)*", parts[2]):
        return None
    memory = int(parts[1]) * MIB if parts[1].isdigit() else 0
    capability = re.fullmatch(r"(\d+)\.(\d+)", parts[3]) if len(parts) > 3 else None
    return Card(parts[0], memory, parts[2], (int(capability[1]), int(capability[2])) if capability else None)


def known_cards() -> tuple[Card, ...]:
    """The cards of this machine, asked of their driver; () where there is no driver or it does not answer."""
    program = nvidia_smi()
    for fields in (FIELDS, FIELDS[:3]) if program else ():
        try:
            done = subprocess.run(
                query(program, fields),
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                cwd=NEUTRAL_FOLDER,
                timeout=QUERY_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ()
        if cards := read_cards(done.stdout):
            return cards
    return ()


def as_numbers(version: str) -> tuple[int, ...]:
    """A version of digits and stops, to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def least_driver(cuda: str, system: str = platform.system()) -> str:
    """The oldest driver for a build of PyTorch for that CUDA version ("12.8"); "" for one that is not known."""
    both = LEAST_DRIVERS.get(as_numbers(cuda)[0])
    return both[system == "Windows"] if both else ""


def why_unused(cards: Sequence[Card], cuda: str | None, hidden: bool = False, system: str = platform.system()) -> str:
    """Why PyTorch uses no card, and what to do; the reason and the remedy, divided by a semicolon.

    Args:
        cards: the cards of this machine.
        cuda: the CUDA version that PyTorch was built for; None for a build without CUDA.
        hidden: whether CUDA_VISIBLE_DEVICES hides every card.
        system: as `platform.system()` names it.
    """
    if hidden:
        return "CUDA_VISIBLE_DEVICES hides every GPU; unset it to use one"
    if not cards:
        return f"{NO_GPU}; presets such as laptop are made for that"
    card = cards[0]
    if cuda is None:
        return f"{shown(card)} is here, but this PyTorch is built for the CPU only; {REPAIR}"
    least = least_driver(cuda, system)
    if least and as_numbers(card.driver) < as_numbers(least):
        older = next(
            (
                major
                for major in (12, 11)
                if as_numbers(card.driver) >= as_numbers(LEAST_DRIVERS[major][system == "Windows"])
            ),
            None,
        )
        instead = ", or " + OLDER.format(cuda=BUILD_FOR_OLD_DRIVERS[older]) if older else ""
        return (
            f"the driver {card.driver} of {card.name} is too old for this PyTorch (CUDA {cuda}); "
            f"update the driver to {least} or later{instead}"
        )
    return f"{shown(card)} is here, but PyTorch cannot use it; restart the computer, then update the driver"


def too_old(card: str, capability: tuple[int, int], architectures: Sequence[str]) -> str:
    """Why a card that CUDA shows cannot compute with this build; "" where it can.

    Args:
        card: its name.
        capability: its compute capability.
        architectures: what the build was made for, as `torch.cuda.get_arch_list()` names it.
    """
    for kind, number in (
        name.rstrip("af").split("_") for name in architectures if re.fullmatch(r"(sm|compute)_\d+[af]?", name)
    ):
        major, minor = divmod(int(number), 10)
        if (major, minor) <= capability and (kind == "compute" or major == capability[0]):
            return ""
    if not architectures:
        return ""
    number = ".".join(map(str, capability))
    return f"{card} (compute capability {number}) is not among the cards that this PyTorch was built for; {OLDER.format(cuda='12.6')}"


def shown(card: Card) -> str:
    """Name and memory for a message: "NVIDIA RTX A5000, 24 GB"."""
    return f"{card.name}, {card.memory_bytes / 2**30:.0f} GB" if card.memory_bytes else card.name
