"""Whatever takes a while, killed at random moments, mostly while something is half-written, ends bit-equal to one that was left alone.

    python backend/checks/kills.py [KILLS [WORK ...]]

Pretraining, a comparison, applying a model to a folder, an upload and the index of a search take turns. The process at work and all its
children get SIGKILL, and the work goes on as a user would let it go on: KILLS (50) times in all, over as many works as that takes.
Prints a line for each; the exit status is 1 where an end differs.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
import psutil
from inputs import Inputs, chest, radiograph, write_inputs, write_nrrd
from jobs import settings
from PIL import Image
from product import COMMAND, Product, Server

from medssl.core.protocol import FINISHED, QUEUED, RUNNING
from medssl.jobs import process
from medssl.jobs.store import JobStore
from medssl.networks.weights.tensor_files import digest, read_safetensors

KILLS, EACH = 50, 4  # kills in all, and of one work
HALF_WRITTEN = 0.75  # share of kills that wait until something is half-written
PATIENCE_S = 60.0
IMAGES = 60  # of a folder that a model is applied to, and of a set that is searched
PIECE = 2**20


class Work(Protocol):
    """Something that takes a while, and can be killed."""

    name: str

    def begin(self) -> None:
        """Begin anew, beside what was there before."""

    def moment(self, rng: random.Random) -> tuple[int, bool]:
        """Wait for a moment to kill at: the process, 0 where all has ended, and whether something is half-written."""

    def go_on(self) -> None:
        """As a user would who finds it dead."""

    def end(self) -> str:
        """Let it end; a digest of all that it leaves."""


def main(arguments: list[str]) -> int:
    """Play all works in turn."""
    kills, only = int(arguments[0]) if arguments else KILLS, arguments[1:]
    rng, wrong, done = random.Random(0), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder) / "inputs")
        product = Product(Path(folder) / "home", inputs.folder)
        product.home.mkdir()
        training, comparison, apply, upload, index = make_works(product, inputs)
        turns = [training, comparison, training, apply, training, upload, training, index]
        turns = [work for work in turns if work.name in only or not only]
        expected = {work.name: play(work, 0, rng)[2] for work in dict.fromkeys(turns)}
        for work in cycle(turns):
            if done >= kills:
                break
            killed, writing, end = play(work, min(EACH, kills - done), rng)
            done += killed
            wrong += end != expected[work.name]
            outcome = "bit-equal" if end == expected[work.name] else "DIFFERS"
            print(f"{work.name}: killed {killed} times, {writing} of them half-written; {outcome}", flush=True)
    print(f"{done} kills, {wrong} ends differ")
    return int(wrong > 0)


def play(work: Work, kills: int, rng: random.Random) -> tuple[int, int, str]:
    """One work from its beginning to its end: kills, those that met something half-written, and the digest of the end."""
    killed = writing = 0
    work.begin()
    while killed < kills:
        pid, half_written = work.moment(rng)
        if not pid:
            break
        if kill(pid):
            killed, writing = killed + 1, writing + half_written
        work.go_on()
    return killed, writing, work.end()


def kill(pid: int) -> bool:
    """End a process and its children; whether there was one."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for one in (*root.children(recursive=True), root):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        root.wait(10)
        return True
    return False


def any_of(patterns: Iterable[tuple[Path, str]]) -> bool:
    """Whether a file of these names exists just now."""
    for folder, pattern in patterns:
        with suppress(FileNotFoundError):
            if next(folder.glob(pattern), None) is not None:
                return True
    return False


def wait_for(
    rng: random.Random, half_written: Callable[[], bool], alive: Callable[[], bool], longest_s: float = 12.0
) -> bool:
    """Until something is half-written, three times of four, else for a random time; whether something is."""
    wanted = rng.random() < HALF_WRITTEN
    end = time.monotonic() + (PATIENCE_S if wanted else rng.uniform(0.5, longest_s))
    while time.monotonic() < end and alive():
        if wanted and half_written():
            return True
        time.sleep(0.001)
    return False


class Job:
    """A job of the product, resumed when it was killed."""

    def __init__(
        self, name: str, product: Product, command: list[object], half_written: list[str], ends: list[str]
    ) -> None:
        self.name, self._product, self._command = name, product, command
        self._half_written, self._ends = half_written, ends
        self._store, self._count, self._job = JobStore(product.home), 0, ""

    @property
    def folder(self) -> Path:
        """Where the job, and what it writes, is."""
        return self._store.folder(self._job)

    def begin(self) -> None:
        """Submit it."""
        self._count += 1
        output = self._product.home.parent / "applied" / str(self._count)
        command = [output if part == "OUTPUT" else part for part in self._command]
        self._job = self._product.submit(f"{self.name}-{self._count}", *command)

    def moment(self, rng: random.Random) -> tuple[int, bool]:
        """While it runs."""
        self._until(RUNNING, FINISHED)
        places = self._places(self._half_written)
        met = wait_for(rng, lambda: any_of(places), lambda: self._state() == RUNNING)
        status = self._store.status(self._job)
        return (0, False) if status.state == FINISHED else (status.pid, met)

    def go_on(self) -> None:
        """Resume it."""
        if self._state() not in (QUEUED, RUNNING, FINISHED):
            process.resume(self._store, self._job)

    def end(self) -> str:
        """Wait."""
        view = process.wait(self._store, self._job)
        if view.status.state != FINISHED:
            raise RuntimeError(f"{self._job} is {view.status.state}: {view.status.error}")
        found = [(pattern, list(folder.glob(pattern))) for folder, pattern in self._places(self._ends)]
        if missing := [pattern for pattern, paths in found if not paths]:
            raise RuntimeError(f"{self._job} left nothing that could be compared: {', '.join(missing)}")
        return digest_of(path for _, paths in found for path in paths)

    def _places(self, patterns: list[str]) -> list[tuple[Path, str]]:
        output = self._product.home.parent / "applied" / str(self._count)
        return [
            (output, pattern.removeprefix("OUTPUT/")) if pattern.startswith("OUTPUT/") else (self.folder, pattern)
            for pattern in patterns
        ]

    def _state(self) -> str:
        return self._store.status(self._job).state

    def _until(self, *states: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while self._state() not in states:
            if time.monotonic() > end:
                raise RuntimeError(f"{self._job} is {self._state()} for {PATIENCE_S:g} s")
            time.sleep(0.02)


class Upload:
    """An upload in pieces; the server dies while a piece is on its way, and another one takes its place."""

    name = "upload"

    def __init__(self, product: Product) -> None:
        self._product, self._count, self._server = product, 0, Server(product)

    def begin(self) -> None:
        """Bytes that no server has."""
        self._count += 1
        voxels = np.random.default_rng(self._count).integers(-1000, 1000, 6 * PIECE).astype("<i2").tobytes()
        header = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {PIECE} 3 2\nencoding: raw\nendian: little\n\n"
        self._data = header.encode() + voxels
        self._sha256 = hashlib.sha256(self._data).hexdigest()
        self._server.__enter__()

    def moment(self, rng: random.Random) -> tuple[int, bool]:
        """Some whole pieces, and a part of one."""
        half_written = rng.random() < HALF_WRITTEN
        for _ in range(rng.randint(0, 3)):
            if self._left() == 0:
                break
            self._send()
        if self._left() == 0:
            return 0, False
        if half_written:
            self._send(rng.uniform(0.1, 0.9))
        return self._server.process.pid, half_written

    def go_on(self) -> None:
        """Another server over the same home."""
        self._server.process.wait()
        (self._product.home / "server.json").unlink(missing_ok=True)  # so that the next one's is not mistaken for it
        self._server = Server(self._product)
        self._server.__enter__()

    def end(self) -> str:
        """Send what is missing; whether the server holds what was sent."""
        while self._left():
            self._send()
        self._server.__exit__(None, None, None)
        held = [
            path for path in self._product.home.rglob(f"*{self._sha256}*") if path.is_file() and path.suffix != ".lock"
        ]
        same = [path.name for path in held if path.read_bytes() == self._data]
        if not same:
            raise RuntimeError("the server does not hold what was sent")
        return f"{len(same)} of {len(held)}"

    def _left(self) -> int:
        """Bytes that the server does not have."""
        answer, here = self._ask("HEAD")
        return 0 if answer == 200 else len(self._data) - here

    def _send(self, share: float = 1.0) -> None:
        """The next piece, or the first part of it."""
        start = len(self._data) - self._left()
        piece = self._data[start : start + PIECE]
        where = {
            "Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(self._data)}",
            "Content-Length": str(len(piece)),
        }
        self._ask("PUT", piece[: int(share * len(piece))], where, answered=share == 1.0)

    def _ask(
        self, method: str, body: bytes = b"", headers: dict[str, str] | None = None, answered: bool = True
    ) -> tuple[int, int]:
        """Status and offset; nothing where the body is not whole, whose connection is kept open for the kill."""
        address = self._server.address
        self._connection = http.client.HTTPConnection(urlsplit(address["url"]).netloc, timeout=30)
        self._connection.request(
            method, f"/volumes/{self._sha256}", body, {"Authorization": f"Bearer {address['token']}", **(headers or {})}
        )
        if not answered:
            time.sleep(0.2)  # until the server has it
            return 0, 0
        answer = self._connection.getresponse()
        answer.read()
        if answer.status not in (200, 201, 202, 404):
            raise RuntimeError(f"{method}: {answer.status}")
        return answer.status, int(answer.headers.get("Upload-Offset", 0))


class Index:
    """The index of a search, which is built by the first search; called again when it was killed."""

    name = "index"

    def __init__(self, product: Product, command: list[object]) -> None:
        self._product, self._command, self._count = product, command, 0

    def begin(self) -> None:
        """Search in a home of its own."""
        self._count += 1
        self._home = self._product.home.parent / f"home-of-index-{self._count}"
        self.go_on()

    def go_on(self) -> None:
        """Search again."""
        places = ["--home", self._home, "--output", self._home / "similar"]
        command = [*COMMAND, *self._command, *places, "--device", "cpu"]
        self._child = subprocess.Popen(
            [str(part) for part in command], env=self._product.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def moment(self, rng: random.Random) -> tuple[int, bool]:
        """While the index holds some of the images."""
        met = wait_for(rng, lambda: 0 < self._described() < IMAGES, lambda: self._child.poll() is None)
        return (self._child.pid if self._child.poll() is None else 0), met

    def _described(self) -> int:
        with suppress(sqlite3.OperationalError):
            for file in self._home.rglob("index.sqlite"):
                with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                    return int(database.execute("SELECT COUNT(*) FROM cases").fetchone()[0])
        return 0

    def end(self) -> str:
        """What was found, and all embeddings."""
        said = self._child.communicate()[1]
        if self._child.returncode:
            raise RuntimeError(said.decode())
        (file,) = self._home.rglob("index.sqlite")
        with closing(sqlite3.connect(file)) as database:
            rows = database.execute("SELECT key, problem, vector, thumbnail FROM cases ORDER BY key").fetchall()
        table = (self._home / "similar" / "table.csv").read_bytes()
        return hashlib.sha256(repr(rows).encode() + table).hexdigest()


def digest_of(files: Iterable[Path]) -> str:
    """Of tensors of weight files, and of the bytes of others."""
    found = hashlib.sha256()
    for path in sorted(files):
        weights = path.suffix == ".safetensors"
        found.update(digest(read_safetensors(path)[0]).encode() if weights else path.read_bytes())
    return found.hexdigest()


def make_works(product: Product, inputs: Inputs) -> list[Work]:
    """Pretraining, comparison, applying, upload, index; the models that they need are trained here."""
    often = {"training__checkpoint_every": 2, "base_width": 4}
    segmentation = [inputs.volumes, "--task", "segmentation", "--classes", "1=Right,2=Left"]
    cropped = settings(crop="[16,16,16]", training__seed=0, **often)
    product.submit("genesis", "pretrain", inputs.volumes, *settings(cube="[16,16,16]", **often), "--name", "genesis")
    product.submit(
        "peac",
        "pretrain",
        inputs.pictures,
        "--method",
        "peac",
        "--preset",
        "laptop",
        *settings(global_hidden=16, local_hidden=16),
        "--name",
        "peac",
    )
    product.wait("genesis", "peac")
    product.submit(
        "segmentation", "finetune", *segmentation, *cropped, "--start-from", "genesis", "--name", "segmentation"
    )
    product.wait("segmentation")
    volumes, pictures = many_images(inputs)
    long = settings(cube="[16,16,16]", training__steps=60, **often)
    compared = ["--arm", "scratch=", "--arm", "genesis=genesis", "--patients", "2,4", "--seeds", "2", "--keep-models"]
    tables = [f"results/{name}.csv" for name in ("runs", "summary", "differences", "rivals")]
    weights = product.folder("peac") / "results" / "model.safetensors"
    return [
        Job("training", product, ["pretrain", inputs.volumes, *long],
            ["checkpoints/.step-*"], ["results/model.safetensors", "results/losses.csv"]),
        Job("comparison", product, ["compare", inputs.volumes, "--task", "segmentation", *cropped, *compared],
            ["runs/**/checkpoints/.step-*"], [*tables, "runs/**/cases.csv", "runs/**/model.safetensors"]),
        Job("apply", product, ["segment", volumes, "--model", "segmentation", "--output", "OUTPUT"],
            ["OUTPUT/.*", "OUTPUT/**/.*"], ["OUTPUT/*.nii.gz", "OUTPUT/*.csv"]),
        Upload(product),
        Index(product, ["retrieve", inputs.picture(0), "--among", pictures, "--model", weights]),
    ]  # fmt: skip


def many_images(inputs: Inputs) -> Iterator[Path]:
    """A folder of volumes, and one of radiographs."""
    for name, make in (("many-volumes", _volume), ("many-pictures", _picture)):
        folder = inputs.folder / name
        folder.mkdir()
        for number in range(IMAGES):
            make(folder, number)
        yield folder


def _volume(folder: Path, number: int) -> None:
    write_nrrd(folder / f"volume{number}.nrrd", chest(100 + number)[0])


def _picture(folder: Path, number: int) -> None:
    Image.fromarray(radiograph(100 + number)[0]).save(folder / f"picture{number}.png")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
