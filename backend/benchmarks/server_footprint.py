"""How soon the server answers and how much memory it takes: `python benchmarks/server_footprint.py`.

Goals: an answer within 1 s of starting the process, less than 100 MB, and no torch in it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from medssl.client import api, backend
from medssl.client.session import Session
from medssl.client.transport import RequestsTransport

POLL_S = 0.005


def start(home: Path) -> tuple[subprocess.Popen, float, float]:
    """Start a server; the process, seconds until it answered, and processor seconds it used for that."""
    begun = time.perf_counter()
    child = subprocess.Popen(backend.start_command(sys.executable, home), stdout=subprocess.DEVNULL)
    while backend.find(home) is None:
        time.sleep(POLL_S)
    used = psutil.Process(child.pid).cpu_times()
    return child, time.perf_counter() - begun, used.user + used.system


def megabytes(child: subprocess.Popen) -> float:
    """Resident memory of the server process."""
    return psutil.Process(child.pid).memory_info().rss / 1e6


def measure(repeats: int, side: int) -> dict[str, float]:
    """Start several servers one after another; use the last one as a panel would."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            child, waited, used = start(Path(folder))
            times.append((waited, used))
            idle = megabytes(child)
            session = Session(RequestsTransport(backend.find(folder)))
            for call in (api.methods(), api.jobs(), api.models()):
                session.send(call)
            asked = megabytes(child)
            session.upload_array(np.zeros((side, side, side), np.int16), np.eye(4))
            uploaded = megabytes(child)
            maps = " ".join(region.path for region in psutil.Process(child.pid).memory_maps())
            backend.stop(backend.find(folder))
            child.wait()
    return {
        "first answer, median (s)": statistics.median(waited for waited, _ in times),
        "first answer, slowest (s)": max(waited for waited, _ in times),
        "processor time until then (s)": statistics.median(used for _, used in times),
        "memory, idle (MB)": idle,
        "memory after the first calls (MB)": asked,
        f"memory after an upload of {side**3 * 2 / 1e6:.0f} MB (MB)": uploaded,
        "torch or SimpleITK loaded": float("libtorch" in maps or "SimpleITK" in maps),
    }


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=256, help="side of the uploaded volume in voxels")
    options = parser.parse_args()
    found = measure(options.repeats, options.side)
    for name, value in found.items():
        print(f"{name:45} {value:8.2f}")
    values = list(found.values())
    return int(values[0] > 1.0 or max(values[3:6]) > 100 or values[6] > 0)


if __name__ == "__main__":
    sys.exit(main())
