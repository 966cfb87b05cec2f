"""Which device a job will use and which lock stands for it, decided before anything imports torch."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from medssl.core.errors import CancelledError, ConfigError, ResourceError
from medssl.core.home import NEUTRAL_FOLDER
from medssl.jobs.cards import nvidia_smi
from medssl.jobs.liveness import hold

DEVICE = re.compile(r"auto|none|cpu|mps|cuda(:\d+)?")
MASKED = re.compile(r"\d+|(GPU|MIG)-.+")  # an entry of CUDA_VISIBLE_DEVICES that names a GPU
BUILT_FOR_GPU = re.compile(r"^(cuda|hip)\b[^=\n]*=\s*['\"]", re.MULTILINE)
QUEUE_PAUSE_S = 0.3
BATCH_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")  # where a batch system says which of its jobs this is


@dataclass(frozen=True)
class Claim:
    """What a job would occupy: the device as torch names it, and the names of the locks that stand for it."""

    device: str
    locks: tuple[str, ...]


def claims(device: str, count: int = 1) -> list[Claim]:
    """The claims that satisfy a job's wish; any one of them will do.

    Args:
        device: auto, cpu, mps, cuda or cuda:N. auto takes an NVIDIA or AMD GPU where there is one.
        count: how many GPUs the job trains on.

    Raises:
        ConfigError: not a device name.
        ResourceError: no such device here.
    """
    if not DEVICE.fullmatch(device):
        raise ConfigError(
            f"device {device!r}", "is not a device", "Use auto, cpu, cuda, cuda:1 or mps", code="device-unknown"
        )
    gpus = visible_gpus() if device.startswith(("auto", "cuda")) else []
    if device == "auto" and not (gpus and torch_knows_gpus()):
        device = "cpu"  # on Apple GPUs too: some of what training needs is missing there; ask for mps to try
    if device == "none":  # a job that only starts others
        return [Claim(device, ())]
    if device in ("cpu", "mps"):
        return [Claim(device, (device,))]
    first = [int(device.partition(":")[2])] if ":" in device else list(range(len(gpus) - count + 1))
    found = [
        Claim(f"cuda:{n}", tuple(f"cuda-{gpu}" for gpu in gpus[n : n + count])) for n in first if n + count <= len(gpus)
    ]
    if not found:
        wish = device if count == 1 else f"{count} GPUs from {device}"
        raise ResourceError(
            wish,
            f"is not there: this machine shows {len(gpus)} GPU(s)",
            "Choose another device, e.g. cpu",
            code="device-missing",
        )
    return found


def visible_gpus() -> list[str]:
    """The ids of the GPUs that CUDA (or ROCm) would show here, without asking it."""
    masked = os.environ.get("CUDA_VISIBLE_DEVICES")
    if masked is not None:
        named = itertools.takewhile(MASKED.fullmatch, (gpu.strip() for gpu in masked.split(",")))
        return [re.sub(r"\W", "_", gpu) for gpu in named]  # CUDA, too, ignores all from the first that is none
    nodes = sorted((node.name[len("nvidia") :] for node in Path("/dev").glob("nvidia[0-9]*")), key=int)
    if nodes:
        return [str(n) for n in range(len(nodes))]
    if program := nvidia_smi():  # Windows and WSL have no /dev/nvidia0
        listing = subprocess.run(
            [program, "-L"], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=NEUTRAL_FOLDER
        )
        return [str(n) for n, _ in enumerate(re.findall(r"^GPU \d+:", listing.stdout, re.MULTILINE))]
    return ["0"] if Path("/dev/kfd").exists() else []


def torch_knows_gpus() -> bool:
    """Whether the torch here was built for GPUs (pip's default on Windows is not), found without importing it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    return not version.is_file() or bool(BUILT_FOR_GPU.search(version.read_text(encoding="utf-8")))


@contextmanager
def locked(home: Path, wishes: list[Claim], cancelled: Callable[[], bool]) -> Iterator[Claim]:
    """Wait until one of the claims is free and hold it.

    Raises:
        CancelledError: `cancelled` became true while waiting.
        ResourceError: the home folder's file system has no locks.
    """
    folder = home / "locks" / _place()
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for claim in wishes:
            with ExitStack() as held:
                try:
                    for name in claim.locks:
                        held.enter_context(hold(FileLock(folder / f"{name}.lock"), 0))
                except Timeout:
                    continue
                yield claim
                return
        if cancelled():
            raise CancelledError()
        time.sleep(QUEUE_PAUSE_S)


def _place() -> str:
    """Whose devices the numbers count: this machine's, or those that a batch system keeps for one of its jobs there.

    A home may be shared by several machines, and two jobs of a batch system both see their own GPU as number 0.
    """
    reserved = next((job for name in BATCH_IDS if (job := os.environ.get(name))), "")
    return "-".join(part for part in (socket.gethostname(), re.sub(r"[^A-Za-z0-9]", "_", reserved)) if part)
