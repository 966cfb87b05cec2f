"""What a computer has that decides which PyTorch it gets: read from the answers of small programs. No process starts here."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from medssl.jobs.cards import FIELDS, Card, nvidia_smi, query, read_cards

TORCH_INDEX = "https://download.pytorch.org/whl/cpu/"  # uv knows it by itself; asked only whether it answers
TOOLS = Path(__file__).resolve().with_name("childTools.py")
OLDEST, LATEST, BEST = (3, 10), (3, 13), (3, 12)  # versions of Python: all packages have wheels for them
NAMES = ("python3.12", "python3.11", "python3.13", "python3.10", "python3", "python")
DESCRIBE = "import json, sys; print(json.dumps([sys.version_info[:2], sys.maxsize > 2**32, sys.executable]))"  # of a 32-bit Python: there is no PyTorch for it


@dataclass(frozen=True)
class FoundPython:
    """A Python that an environment can be made from."""

    path: str
    version: tuple[int, int]


@dataclass(frozen=True)
class Machine:
    """One computer.

    Attributes:
        system: as `platform.system()` names it.
        processor: as `platform.machine()` names it.
        cards: the NVIDIA cards.
        silentDriver: NVIDIA's driver is installed, and shows no card.
        amd: the architecture of an AMD card, e.g. gfx1100; "" for none.
        pythons: those that can be used, the best first.
        freeBytes: on the disk of the environment.
        pip: what pip is set to, without its sections: index-url, extra-index-url, find-links, constraint, cert, proxy.
        torchIndex: why PyTorch's own index cannot be reached; "" if it can, None as long as nobody asked.
    """

    system: str = "Linux"
    processor: str = "x86_64"
    cards: tuple[Card, ...] = ()
    silentDriver: bool = False
    amd: str = ""
    pythons: tuple[FoundPython, ...] = ()
    freeBytes: int = 0
    pip: Mapping[str, str] = field(default_factory=dict)
    torchIndex: str | None = None

    @property
    def card(self) -> Card | None:
        """The NVIDIA card that PyTorch is chosen for: the newest."""
        return max(self.cards, key=lambda card: (card.capability or (0, 0), card.memory_bytes), default=None)

    @property
    def intelMac(self) -> bool:
        """Whether PyTorch is not made for it any more."""
        return self.system == "Darwin" and self.processor == "x86_64"


@dataclass(frozen=True)
class Probe:
    """One question to a program; `slicer` where it is Slicer's own Python, which needs Slicer's environment."""

    key: str
    command: tuple[str, ...]
    slicer: bool = False


def probes(
    system: str,
    variables: Mapping[str, str],
    slicerPython: str,
    reach: bool = False,
    which: Callable = shutil.which,
    isFile=os.path.isfile,
) -> list[Probe]:
    """The questions, in the order in which they are asked; the last may take seconds.

    Args:
        system: as `platform.system()` names it.
        variables: the environment with which Slicer was started.
        slicerPython: Slicer's own Python.
        reach: whether PyTorch's index is asked, too; nothing goes out before the user wants it.
        which: finds a program on a path: (name, path=...).
        isFile: whether there is such a file.
    """
    path = variables.get("PATH", "")
    asked = []
    if system != "Darwin" and (smi := nvidia_smi(variables, system)):
        asked += [Probe("cards", tuple(query(smi))), Probe("oldCards", tuple(query(smi, FIELDS[:3])))]
    rocm = which("rocm_agent_enumerator", path=path) or "/opt/rocm/bin/rocm_agent_enumerator"
    if system == "Linux" and isFile(rocm):
        asked.append(Probe("amd", (rocm,)))
    for number, python in enumerate(_pythonPlaces(system, variables, path, which, isFile)):
        asked.append(Probe(f"python{number}", (python, "-c", DESCRIBE)))
    asked.append(Probe("pip", (slicerPython, "-m", "pip", "config", "list"), slicer=True))
    if reach and system != "Darwin":  # whose PyTorch is in the ordinary index
        asked.append(Probe("torchIndex", (slicerPython, str(TOOLS), "reach", TORCH_INDEX), slicer=True))
    return asked


def _pythonPlaces(system: str, variables: Mapping[str, str], path: str, which: Callable, isFile) -> list[str]:
    found = [python for name in NAMES if (python := which(name, path=path))]
    if system == "Windows":
        # What lies in WindowsApps only opens the store
        found = [python for python in found if "windowsapps" not in python.lower()]
        base = PureWindowsPath(variables.get("LOCALAPPDATA", ""), "Programs", "Python")
        found += [str(base / f"Python3{minor}" / "python.exe") for minor in (12, 11, 13, 10)]
        found = [python for python in found if isFile(python)]
    return list(dict.fromkeys(found))


def readMachine(system: str, processor: str, freeBytes: int, answers: Mapping[str, str]) -> Machine:
    """The machine, from what the programs printed; a program that failed or is not there has no answer."""
    cards = read_cards(answers.get("cards", "")) or read_cards(answers.get("oldCards", ""))
    amd = [
        line.strip() for line in answers.get("amd", "").splitlines() if line.startswith("gfx") and "gfx000" not in line
    ]
    return Machine(
        system=system,
        processor=processor,
        cards=cards,
        silentDriver="cards" in answers and not cards,
        amd=min(amd, default=""),
        pythons=_pythons([text for key, text in answers.items() if key.startswith("python")]),
        freeBytes=freeBytes,
        pip=_pipSettings(answers.get("pip", "")),
        torchIndex=_lastLine(answers["torchIndex"]) if "torchIndex" in answers else None,
    )


def _pythons(answers: Sequence[str]) -> tuple[FoundPython, ...]:
    found = {}
    for text in answers:
        try:
            version, wide, path = json.loads(_lastLine(text))
        except ValueError:
            continue  # a shim without its Python
        if wide and OLDEST <= tuple(version) <= LATEST:
            found.setdefault(path, FoundPython(path, tuple(version)))
    return tuple(sorted(found.values(), key=lambda python: NAMES.index(f"python3.{python.version[1]}")))


def _pipSettings(text: str) -> dict[str, str]:
    """From `pip config list`, lines as `global.index-url='https://...'`; those of variables, `:env:.`, win."""
    settings = {}
    for line in sorted(text.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        try:
            settings[name.rpartition(".")[2]] = str(ast.literal_eval(value)).strip() if equals else ""
        except (ValueError, SyntaxError):
            continue
    return {name: " ".join(value.split()) for name, value in settings.items() if value}


def _lastLine(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
