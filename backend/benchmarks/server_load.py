"""The server under load, the load generator on the same cores: `python benchmarks/server_load.py [--training]`.

Clients ask one after another over a connection each, others wait for inspections, others upload, and half-sent heads stand beside them.
Goals: no error, `/health` p99 at most 100 ms (500 ms beside a training with one thread), memory of the server at most 100 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from medssl import handlers
from medssl.client import backend

PATHS = ("/jobs", "/tasks", "/models", "/jobs", "/health", "/methods")
PIECE = 2**20
SLICES = 32
VOLUME = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 256 256 {SLICES}\nencoding: raw\nendian: little\n\n".encode()
HEALTH_PAUSE_S = 0.02
TRAINING = """
import torch
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv3d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(16, 1, 3, padding=1))
optimizer, images = torch.optim.SGD(net.parameters(), 1e-3), torch.rand(2, 1, 48, 48, 48)
while True:
    optimizer.zero_grad()
    (net(images) - images).square().mean().backward()
    optimizer.step()
"""


def wait_a_moment(request: Any, context: Any) -> None:
    """An inspection that takes as long as its seed says, in hundredths of a second."""
    time.sleep(request.seed / 100)


INSPECTIONS = {"check": dataclasses.replace(handlers.INSPECTIONS["check"], handler="server_load:wait_a_moment")}


class Client:
    """One kept connection to the server."""

    def __init__(self, address: backend.ServerAddress) -> None:
        self._where, self._token = urlsplit(address.url), address.token
        self._reader: asyncio.StreamReader | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, float]:
        """Status and seconds."""
        begun = time.perf_counter()
        if self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._where.hostname, self._where.port)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._where.netloc}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        lines = dict(line.lower().split(": ", 1) for line in answer.strip().split("\r\n")[1:])
        await self._reader.readexactly(int(lines.get("content-length", 0)))
        if lines.get("connection") == "close":
            self.close()
        return int(answer.split()[1]), time.perf_counter() - begun

    def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._writer.close()
            self._reader = None


class Load:
    """What was asked and how it was answered.

    Attributes:
        health: seconds of each `/health`, over a new connection.
        errors: what went wrong.
    """

    def __init__(self, address: backend.ServerAddress) -> None:
        self._address, self._busy = address, True
        self.health: list[float] = []
        self.errors: list[str] = []
        self.counts = dict(requests=0, waits=0, uploads=0)

    async def run(self, clients: int, requests: int, waiting: int, uploading: int, half_sent: int) -> float:
        """Load the server until all clients are through; returns the seconds that took."""
        attack = [asyncio.ensure_future(self._half_send()) for _ in range(half_sent)]
        await asyncio.sleep(2)  # this process, too, needs a moment for so many
        begun = time.perf_counter()
        beside = [asyncio.ensure_future(self._watch_health())]
        beside += [asyncio.ensure_future(self._wait()) for _ in range(waiting)]
        beside += [asyncio.ensure_future(self._upload(n)) for n in range(uploading)]
        await asyncio.gather(*(self._ask(n, requests) for n in range(clients)))
        seconds, self._busy = time.perf_counter() - begun, False
        await asyncio.wait([*beside, *attack], timeout=15)
        return seconds

    async def _ask(self, n: int, requests: int) -> None:
        client = Client(self._address)
        for m in range(requests):
            await self._one(client, "requests", "GET", PATHS[(n + m) % len(PATHS)])
        client.close()

    async def _wait(self) -> None:
        client = Client(self._address)
        while self._busy:
            body = json.dumps({"data": {"path": "/nowhere"}, "seed": 30}).encode()
            await self._one(
                client, "waits", "POST", "/inspect/check?wait=10", body, "Content-Type: application/json\r\n"
            )
        client.close()

    async def _upload(self, n: int) -> None:
        client, m = Client(self._address), 0
        while self._busy:
            m += 1
            data = VOLUME + (1000 * n + m).to_bytes(4, "little") * (SLICES * 2**15)
            sha256 = hashlib.sha256(data).hexdigest()
            for start in range(0, len(data), PIECE):
                stop = min(start + PIECE, len(data))
                where = f"Content-Range: bytes {start}-{stop - 1}/{len(data)}\r\n"
                await self._one(client, "uploads", "PUT", f"/volumes/{sha256}", data[start:stop], where)
            await asyncio.sleep(0.2)
        client.close()

    async def _watch_health(self) -> None:
        while self._busy:
            client = Client(self._address)
            await self._one(client, "", "GET", "/health")
            client.close()
            await asyncio.sleep(HEALTH_PAUSE_S)

    async def _half_send(self) -> None:
        """A head that never ends, sent anew whenever the server closes."""
        where = urlsplit(self._address.url)
        while self._busy:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(where.hostname, where.port)
                writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.")
                while self._busy and not reader.at_eof():
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(reader.read(1), 0.5)
                writer.close()
            await asyncio.sleep(0.5)

    async def _one(self, client: Client, sort: str, *request: Any) -> None:
        try:
            status, seconds = await client.ask(*request)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.errors.append(f"{request[0]} {request[1]}: {type(error).__name__} {error}")
            client.close()
            return
        if status >= 400:
            self.errors.append(f"{request[0]} {request[1]}: {status}")
        if sort:
            self.counts[sort] += 1
        else:
            self.health.append(seconds)


@contextlib.contextmanager
def server(home: Path) -> Iterator[backend.ServerAddress]:
    """A server of its own over a home folder."""
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**backend.environment(), "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    command = [*backend.start_command(sys.executable, home), "--inspections", "server_load:INSPECTIONS"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while (address := backend.find(home)) is None:
            time.sleep(0.05)
        yield address
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def training(wanted: bool) -> Iterator[None]:
    """A training with one thread beside, where it is wanted."""
    if not wanted:
        yield
        return
    child = subprocess.Popen([sys.executable, "-c", TRAINING], env={**os.environ, "OMP_NUM_THREADS": "1"})
    time.sleep(10)  # torch's import
    try:
        yield
    finally:
        child.kill()
        child.wait()


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=1000, help="of each client")
    parser.add_argument("--waiting", type=int, default=20, help="clients that wait for inspections")
    parser.add_argument("--uploading", type=int, default=2)
    parser.add_argument("--half-sent", type=int, default=500, help="connections that never send a whole head")
    parser.add_argument("--training", action="store_true", help="beside a training with one thread")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as address, training(options.training):
        load, process = Load(address), psutil.Process(address.pid)
        before = process.memory_info().rss
        counts = (options.clients, options.requests, options.waiting, options.uploading, options.half_sent)
        seconds = asyncio.run(load.run(*counts))
        after = process.memory_info().rss
    cuts = statistics.quantiles(load.health, n=100)
    print(f"{load.counts} in {seconds:.1f} s, {load.counts['requests'] / seconds:.0f} requests/s")
    print(
        f"/health: {len(load.health)} times, median {1e3 * cuts[49]:.1f} ms, p99 {1e3 * cuts[98]:.1f} ms, longest {1e3 * max(load.health):.1f} ms"
    )
    print(f"memory of the server: {before / 1e6:.1f} MB idle, {after / 1e6:.1f} MB afterwards")
    print(f"errors: {len(load.errors)} {load.errors[:5]}")
    goal = 0.5 if options.training else 0.1
    return int(bool(load.errors) or cuts[98] > goal or after > 100e6)


if __name__ == "__main__":
    sys.exit(main())
