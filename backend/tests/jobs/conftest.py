from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from medssl.core.protocol import DataSpec, JobSpec
from medssl.jobs.liveness import started_at
from medssl.jobs.store import JobStore

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def fakes_importable(monkeypatch):
    """Here and in the children that inherit the environment."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def without_locks(monkeypatch) -> Callable[[int], None]:
    """From the call on the system refuses every lock with this number of an error, as some shared disks do."""
    fcntl = pytest.importorskip("fcntl", reason="Windows has other locks")

    def refuse(number: int) -> None:
        def flock(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    return refuse


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "Häuser mit Leerzeichen"
    folder.mkdir()
    return folder


@pytest.fixture
def store(home):
    store = JobStore(home)
    yield store
    for view in store.list():  # no test leaves a process behind
        if view.status.pid not in (0, os.getpid()) and started_at(view.status.pid) == view.status.pid_started:
            with contextlib.suppress(psutil.NoSuchProcess):  # it may end meanwhile
                psutil.Process(view.status.pid).kill()


@pytest.fixture
def spec() -> Callable[..., JobSpec]:
    def make(kind: str = "count", name: str = "count to 3", **fields) -> JobSpec:
        return JobSpec(
            kind, "genesis", {}, DataSpec(path=str(Path(__file__).parent)), name=name, device="cpu", **fields
        )

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], object]], object]:
    """Wait for a condition; the bound is generous, it only ends a hanging test."""

    def wait(condition: Callable[[], object], bound_s: float = 30.0) -> object:
        end = time.monotonic() + bound_s
        while not (value := condition()):
            assert time.monotonic() < end, "never happened"
            time.sleep(0.02)
        return value

    return wait
