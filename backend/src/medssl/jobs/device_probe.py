"""What torch can compute on here, asked in a child process: `python -m medssl.jobs.device_probe` prints it as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

import psutil

from medssl.core.home import NEUTRAL_FOLDER
from medssl.jobs.cards import REPAIR, known_cards, too_old, why_unused
from medssl.jobs.devices import visible_gpus

PROBE_TIMEOUT_S = 120.0  # the first import of torch on a slow disk


def probe(python: str = sys.executable) -> list[dict[str, Any]]:
    """Ask torch in a child process what works here: the server imports none.

    Returns:
        One dict a device: name, description, memory_bytes, free_bytes, available, note. Where torch is missing or
        broken the CPU alone is listed, unavailable, and its note says what to do.
    """
    command = [python, "-m", "medssl.jobs.device_probe"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=NEUTRAL_FOLDER,
            timeout=PROBE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return [_no_device(f"importing torch took longer than {PROBE_TIMEOUT_S:.0f} s; try again")]
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [_no_device(f"torch crashed (exit code {done.returncode}: {reason}); reinstall it")]
    return json.loads(done.stdout.strip().splitlines()[-1])


def _no_device(note: str) -> dict[str, Any]:
    return dict(name="cpu", description=platform.processor(), memory_bytes=0, free_bytes=0, available=False, note=note)


def devices() -> list[dict[str, Any]]:
    """What torch can compute on, asked in this process: name, description, memory_bytes, free_bytes, available, note."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of torch that cannot be loaded
        note = f"torch cannot be imported ({error}); run: pip install torch"
        return [_cpu(available=False, note=note)]
    found = [_cuda(torch, n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        memory = psutil.virtual_memory()
        found.append(_entry("mps", "Apple GPU (shares the memory)", memory.total, memory.available))
    note = "" if found else _why_no_gpu(torch)
    return [*found, _cpu(available=True, note=note)]


def _cuda(torch: Any, n: int) -> dict[str, Any]:
    name, capability = torch.cuda.get_device_name(n), torch.cuda.get_device_capability(n)
    note = too_old(name, capability, torch.cuda.get_arch_list()) if torch.version.cuda else ""
    free, total = torch.cuda.mem_get_info(n)
    return _entry(f"cuda:{n}", name, total, free, available=not note, note=note)


def _cpu(available: bool, note: str) -> dict[str, Any]:
    memory = psutil.virtual_memory()
    name = platform.processor() or platform.machine()
    description = f"{name}, {psutil.cpu_count(logical=False) or psutil.cpu_count()} cores"
    return _entry("cpu", description, memory.total, memory.available, available, note)


def _entry(
    name: str, description: str, total: int, free: int, available: bool = True, note: str = ""
) -> dict[str, Any]:
    return dict(
        name=name, description=description, memory_bytes=total, free_bytes=free, available=available, note=note
    )  # fmt: skip


def _why_no_gpu(torch: Any) -> str:
    cards = known_cards()
    if not cards and visible_gpus():  # an AMD card, or an NVIDIA driver that does not answer
        if torch.version.cuda is None and torch.version.hip is None:
            return f"a GPU is here, but this PyTorch is built for the CPU only; {REPAIR}"
        return "a GPU is here, but PyTorch cannot use it; restart the computer, then update the driver"
    hidden = bool(cards) and os.environ.get("CUDA_VISIBLE_DEVICES") is not None and not visible_gpus()
    return why_unused(cards, torch.version.cuda, hidden)


if __name__ == "__main__":
    print(json.dumps(devices()))
