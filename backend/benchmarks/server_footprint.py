"""How soon the server answers and how much memory it takes: `python benchmarks/server_footprint.py`.

Goals: an answer within 1 s of starting the process, less than 100 MB, and no torch in it. In turn with it starts the least server of
the same libraries (FastAPI and uvicorn with one route): what that takes on a machine, no server of them can do without.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from medssl.client import api, backend
from medssl.client.session import Session
from medssl.client.transport import RequestsTransport

POLL_S = 0.005
LEAST = """
import sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/health")
async def health() -> dict[str, str]:
    return {"app": "least"}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


def start(home: Path) -> tuple[subprocess.Popen, float, float]:
    """Start a server; the process, seconds until it answered, and processor seconds it used for that."""
    begun = time.perf_counter()
    child = subprocess.Popen(backend.start_command(sys.executable, home), stdout=subprocess.DEVNULL)
    while backend.find(home) is None:
        time.sleep(POLL_S)
    used = psutil.Process(child.pid).cpu_times()
    return child, time.perf_counter() - begun, used.user + used.system


def start_least() -> tuple[float, float]:
    """Start the least server and end it: seconds until it answered, and processor seconds it used for that."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-P", "-c", LEAST, str(port)], stdout=subprocess.DEVNULL)
    while not _answers(f"http://127.0.0.1:{port}/health"):
        time.sleep(POLL_S)
    waited, used = time.perf_counter() - begun, psutil.Process(child.pid).cpu_times()
    child.terminate()
    child.wait()
    return waited, used.user + used.system


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status == 200
    return False


def megabytes(child: subprocess.Popen) -> float:
    """Resident memory of the server process."""
    return psutil.Process(child.pid).memory_info().rss / 1e6


def measure(repeats: int, side: int) -> dict[str, float]:
    """Start several servers one after another; use the last one as a panel would."""
    times, least = [], []
    for _ in range(repeats):
        least.append(start_least())
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
        "the least server's first answer, median (s)": statistics.median(waited for waited, _ in least),
        "its processor time until then (s)": statistics.median(used for _, used in least),
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
        print(f"{name:50} {value:8.2f}")
    most = max(value for name, value in found.items() if name.startswith("memory"))
    return int(found["first answer, median (s)"] > 1.0 or most > 100 or found["torch or SimpleITK loaded"] > 0)


if __name__ == "__main__":
    sys.exit(main())
