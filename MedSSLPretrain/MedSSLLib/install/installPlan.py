"""The commands that make an environment for the backend, from a description of the computer and the user's choices.

Pure functions: nothing is started, downloaded or written here. Argument lists only, no shell.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slicer.i18n import tr as _

from medssl.client import backend
from medssl.core.errors import InputError, ResourceError
from MedSSLLib.install.environments import Places
from MedSSLLib.install.installState import InstallState, markOf
from MedSSLLib.install.machine import BEST, TOOLS, Machine
from MedSSLLib.install.networkSettings import CERTIFICATE_VARIABLES, PROXY_VARIABLES, NetworkSettings, forUv
from MedSSLLib.install.torchBuild import AUTO, FOLDER, FOLDER_FIRST, INDEXES, Build, chosenBuild

UV = "uv>=0.11"  # --torch-backend is out of its trial since 0.7.14, the system's certificates are UV_SYSTEM_CERTS since 0.11
PIP = ("-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check")
CLEAR, TOOL, PYTHON, TORCH, SOURCE, PACKAGES, CHECK = "clear", "tool", "python", "torch", "source", "packages", "check"
REST_BYTES = 3 * 2**30  # what follows PyTorch
DOCTOR = "from medssl.cli import main; main()"
NOT_OURS = (
    "UV_TORCH_BACKEND",
    "UV_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
    "UV_VENV_CLEAR",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_PREFIX",
)


@dataclass(frozen=True)
class Choices:
    """What the user can change; "" chooses by the machine.

    Attributes:
        build: a name of `torchBuild.CHOICES`.
        python: a Python to make the environment from.
        source: where packages come from.
        wheels: a folder of wheels, where the source is one.
        network: proxy and certificate.
    """

    build: str = ""
    python: str = ""
    source: str = INDEXES
    wheels: str = ""
    network: NetworkSettings = field(default_factory=NetworkSettings)


@dataclass(frozen=True)
class Step:
    """One command. `slicer`: it is Slicer's own Python, which needs Slicer's environment."""

    key: str
    title: str
    command: tuple[str, ...]
    slicer: bool = False


@dataclass(frozen=True)
class Plan:
    """An installation.

    Attributes:
        steps: all commands, in their order.
        variables: set for all of them.
        folder: of the environment, where the state is kept; None for an environment that is not the panel's own.
        build: the PyTorch that it gets.
        done: the keys of the steps that are done already.
        marked: the folders that it makes or deletes with all in them; they are marked as the panel's before it begins.
    """

    steps: tuple[Step, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    build: Build | None = None
    done: tuple[str, ...] = ()
    marked: tuple[Path, ...] = ()


def planEnvironment(
    machine: Machine, choices: Choices, places: Places, started: Mapping[str, str], state: InstallState | None = None
) -> Plan:
    """The plan of MedSSL's own environment.

    Args:
        machine: the computer.
        choices: what the user wants.
        places: where everything lies.
        started: the environment with which Slicer was started.
        state: what a cancelled or failed installation has left; its steps are not repeated while they would do the same.

    Raises:
        InputError: a choice cannot be used.
        ResourceError: no PyTorch for this computer, no Python, or too little space on the disk.
    """
    wheels = _checked(machine, choices)
    build = chosenBuild(machine, choices.source, choices.build, wheels)
    steps = _steps(machine, choices, places, build)
    done = _done(steps, state)
    if (
        state is not None and PYTHON not in done and PYTHON in state.done
    ):  # made from another Python: begin with an empty folder
        steps, done = (_clear(places), *steps), tuple(key for key in done if key == TOOL)
    _checkDisk(machine, build.bytes if TORCH not in done else REST_BYTES, places)
    variables, marked = _variables(machine, choices, places, build, started), (places.environment, places.installer)
    return Plan(steps, variables, places.environment, build, done, marked)


def planExisting(
    python: str, places: Places, network: NetworkSettings, started: Mapping[str, str], slicer: bool = False
) -> Plan:
    """Install the backend with pip into a Python that is there: the user's, or Slicer's own (`slicer`)."""
    network.check()
    command = (python, *PIP, str(places.source))
    check = (python, "-c", DOCTOR, "doctor", "--json")
    packages = Step(PACKAGES, _("MedSSL and its packages"), command, slicer)
    steps = (_copy(places), packages, Step(CHECK, _("Check"), check, slicer))
    return Plan(steps, backend.environment(started) | network.variables())


def planRemoval(places: Places, folders: Sequence[Path]) -> Plan:
    """Delete the environment and all that installing it has left: those of its folders that are the panel's."""
    command = (places.slicerPython, str(TOOLS), "remove", *map(str, folders))
    return Plan((Step(CLEAR, _("Remove"), command, slicer=True),), marked=tuple(folders))


def repaired(plan: Plan, places: Places) -> Plan:
    """The same environment made anew; what was downloaded is used again."""
    steps = tuple(step for step in plan.steps if step.key != CLEAR)
    return Plan((_clear(places), *steps), plan.variables, plan.folder, plan.build, marked=plan.marked)


def _checked(machine: Machine, choices: Choices) -> list[str]:
    """Check the choices; returns the names of the wheels."""
    choices.network.check()
    if machine.intelMac:
        remedy = _("Use another computer as backend: start medssl serve there and choose 'Another computer'")
        raise ResourceError(_("PyTorch"), _("is not made for Macs with an Intel processor any more"), remedy)
    if choices.python and choices.python not in [python.path for python in machine.pythons]:
        raise InputError(choices.python, _("is no 64-bit Python 3.10 to 3.13"), _("Choose another Python"))
    if choices.source not in (FOLDER, FOLDER_FIRST):
        return []
    folder = Path(choices.wheels)
    names = sorted(path.name for path in folder.glob("*.whl")) if choices.wheels else []
    if "," in choices.wheels:
        raise InputError(choices.wheels, _("has a comma in its path, which uv cannot read"), _("Choose another folder"))
    lacking = [name for name in ("torch", "torchvision") if not any(n.startswith(f"{name}-") for n in names)]
    if choices.source == FOLDER and not any(name.startswith("uv-") for name in names):
        lacking.append("uv")
    if lacking:
        rule = _("holds no wheel of {names}").format(names=", ".join(lacking))
        remedy = _(
            "Choose a folder that has one of the same build of each, made with `pip download` on a computer like this"
        )
        raise InputError(choices.wheels or _("the folder of wheels"), rule, remedy)
    if choices.source == FOLDER and not machine.pythons:
        remedy = _("Install Python 3.12 and check again; a folder of wheels brings none")
        raise ResourceError(_("Python 3.10 to 3.13"), _("was not found on this computer"), remedy)
    return names


def _checkDisk(machine: Machine, needed: int, places: Places) -> None:
    if machine.freeBytes < needed:
        free, need = machine.freeBytes / 1e9, needed / 1e9
        rule = _("has {free:.1f} GB free; {need:.0f} GB are needed").format(free=free, need=need)
        raise ResourceError(places.environment, rule, _("Free some space, or choose another place or a smaller build"))


def _steps(machine: Machine, choices: Choices, places: Places, build: Build) -> tuple[Step, ...]:
    python, uv = places.python(machine.system), places.uv(machine.system)
    offline = ("--no-index", "--find-links", choices.wheels)
    links = {FOLDER: offline, FOLDER_FIRST: offline[1:]}.get(choices.source, ())
    tool = (places.slicerPython, *PIP, "--upgrade", "--target", str(places.installer / "uv"))
    backendFlag = (f"--torch-backend={build.backend}",) if build.backend else ()
    install = (uv, "pip", "install", "--python", python, *links, *backendFlag)
    anew = ("--reinstall-package", "torch", "--reinstall-package", "torchvision")
    base = choices.python or (machine.pythons[0].path if machine.pythons else ".".join(map(str, BEST)))
    venv = (uv, "venv", "--allow-existing", "--python", base, str(places.environment))
    packages = (*install, "--reinstall-package", "medssl", *build.requirements, str(places.source))
    torch = _("PyTorch ({build})").format(build=build.title)
    return (
        Step(TOOL, _("The installer uv"), (*tool, *(offline if choices.source == FOLDER else ()), UV), slicer=True),
        Step(PYTHON, _("Python"), venv),
        Step(TORCH, torch, (*install, *anew, *build.requirements)),
        _copy(places),
        Step(PACKAGES, _("MedSSL and its packages"), packages),
        Step(CHECK, _("Check"), (python, "-c", DOCTOR, "doctor", "--json")),
    )


def _copy(places: Places) -> Step:
    command = (places.slicerPython, str(TOOLS), "copy", str(places.original), str(places.source))
    return Step(SOURCE, _("MedSSL's source"), command, slicer=True)


def _clear(places: Places) -> Step:
    command = (places.slicerPython, str(TOOLS), "remove", str(places.environment))
    return Step(CLEAR, _("Remove what was there"), command, slicer=True)


def _done(steps: Sequence[Step], state: InstallState | None) -> tuple[str, ...]:
    """The steps that are done as they would be done today, up to the first that is not; uv and the source are fetched again without harm."""
    done: list[str] = []
    for step in steps if state is not None else ():
        if state.done.get(step.key) == markOf(step.command):
            done.append(step.key)
        elif step.key not in (TOOL, SOURCE):
            break
    return tuple(done)


def _variables(
    machine: Machine, choices: Choices, places: Places, build: Build, started: Mapping[str, str]
) -> dict[str, str]:
    entered = choices.network.variables()
    base = {name: value for name, value in backend.environment(started).items() if name not in NOT_OURS} | entered
    found = base | forUv(base, machine.pip)
    found |= {
        "UV_CACHE_DIR": str(
            places.installer / "downloads"
        ),  # on the disk of the environment, whose files are then linked
        "UV_PYTHON_INSTALL_DIR": str(places.installer / "python"),
        "UV_HTTP_TIMEOUT": "120",
        "NO_COLOR": "1",
    }
    if build.backend == AUTO and machine.card is not None:
        found["UV_CUDA_DRIVER_VERSION"] = machine.card.driver  # uv finds nvidia-smi on PATH only, we elsewhere too
    elif build.backend == AUTO and machine.amd:
        found["UV_AMD_GPU_ARCHITECTURE"] = machine.amd
    if choices.source == FOLDER:
        found |= {"UV_OFFLINE": "true", "UV_PYTHON_DOWNLOADS": "never"}
    return {name: value for name, value in found.items() if name != "UV_FIND_LINKS" or choices.source != FOLDER}


def slicerVariables(plan: Plan, slicer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For a step that Slicer's own Python does: Slicer's environment, with the network settings of the plan."""
    network = {name: value for name, value in plan.variables.items() if _isNetwork(name)}
    kept = {name: value for name, value in slicer.items() if name not in NOT_OURS}
    return {**kept, **network, "PIP_USER": "0", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def _isNetwork(name: str) -> bool:
    return name.upper() in PROXY_VARIABLES or name in (*CERTIFICATE_VARIABLES, "NO_PROXY", "no_proxy")
