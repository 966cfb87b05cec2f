"""The product from outside: its command line, its job folders, and its server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

COMMAND = [sys.executable, "-c", "from medssl.cli import main; main()"]
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC",
}  # fmt: skip
PATIENCE_S, LOOK_S = 240.0, 0.1
ENDED = ("finished", "failed", "cancelled", "interrupted")


class Product:
    """A home folder, and the jobs that were started in it.

    Attributes:
        jobs: the name of each job by its id.
    """

    def __init__(self, home: Path, inputs: Path) -> None:
        self.home, self.inputs = home, inputs
        self.jobs: dict[str, str] = {}
        self.environment = {**os.environ, **ENVIRONMENT, "MEDSSL_HOME": str(home)}

    def run(self, *arguments: object, status: int = 0) -> str:
        """A `medssl` command; its standard output.

        Raises:
            RuntimeError: another exit status than expected.
        """
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=self.environment, cwd=self.home.parent,
            timeout=PATIENCE_S,
        )  # fmt: skip
        if done.returncode != status:
            raise RuntimeError(
                f"medssl {' '.join(map(str, arguments))}: status {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def submit(self, name: str, *arguments: object) -> str:
        """Start a job with a `medssl` command; its id, which is noted under `name`."""
        job = self.run(*arguments, "--device", "cpu", "--detach").split()[-1]
        self.jobs[job] = name
        return job

    def job(self, name: str) -> str:
        """The id of a job."""
        return next(job for job, known in self.jobs.items() if known == name)

    def folder(self, name: str) -> Path:
        """The folder of a job."""
        return self.home / "jobs" / self.job(name)

    def wait(self, *names: str) -> None:
        """Until these jobs have finished.

        Raises:
            RuntimeError: one has failed, or takes too long.
        """
        for name in names:
            path, end = self.folder(name) / "status.json", time.monotonic() + PATIENCE_S
            while (status := read_patiently(path))["state"] not in ENDED and time.monotonic() < end:
                time.sleep(LOOK_S)
            if status["state"] != "finished":
                raise RuntimeError(f"job {name} is {status['state']}: {status['error']}; see {path.parent}")


class Server:
    """`medssl serve` over a home folder, while the context lasts."""

    def __init__(self, product: Product) -> None:
        self.product, self.address = product, {}

    def __enter__(self) -> Server:
        command = [*COMMAND, "serve", "--home", str(self.product.home), "--port", "0"]
        log = (self.product.home / "serve.log").open("wb")
        self.process = subprocess.Popen(command, env=self.product.environment, stdout=log, stderr=log)
        log.close()
        path, end = self.product.home / "server.json", time.monotonic() + PATIENCE_S
        while not path.is_file() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(LOOK_S)
        self.address = read_patiently(path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(30)

    def inspect(self, kind: str, request: dict[str, Any]) -> Path:
        """Ask, wait for the end whatever it is, and return the result's folder."""
        told = self._ask("POST", f"/inspect/{kind}?wait=10", request)
        end = time.monotonic() + PATIENCE_S
        while told["state"] not in ENDED and time.monotonic() < end:
            time.sleep(LOOK_S)
            told = self._ask("GET", f"/results/{told['id']}")
        return self.product.home / "results" / told["id"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.address['token']}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.address["url"] + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error


def read_patiently(path: Path) -> dict[str, Any]:
    """A JSON file that another process may just replace."""
    for _ in range(20):
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            time.sleep(LOOK_S)
    raise RuntimeError(f"{path} cannot be read")
