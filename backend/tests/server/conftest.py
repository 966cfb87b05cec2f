from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_inspections import TOKEN
from fastapi.testclient import TestClient

from medssl.server.app import create_app
from medssl.server.worker_process import InspectionWorker

HERE = Path(__file__).parent
FOLDERS = (HERE, HERE.parent / "jobs")  # fake_inspections, fake_kinds
LIMIT = 100_000


@pytest.fixture(autouse=True)
def fakes_importable(monkeypatch):
    """Here and in the children that inherit the environment."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, FOLDERS)), prepend=os.pathsep)
    for folder in FOLDERS:
        monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def worker(home):
    worker = InspectionWorker(home, "fake_inspections:INSPECTIONS", idle_s=600, grace_s=0.3)
    yield worker
    worker.close()


@pytest.fixture
def app(home, worker):
    return create_app(
        home, TOKEN, hosts=("gpu01",), upload_limit=LIMIT, kinds="fake_kinds:KINDS", grace_s=0.5, worker=worker
    )


@pytest.fixture
def stranger(app):
    """A client without a token."""
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture
def client(stranger):
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger


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


@pytest.fixture
def spec() -> Callable[..., dict]:
    def make(kind: str = "count", name: str = "count to 3", **fields) -> dict:
        return {
            "kind": kind,
            "method": "genesis",
            "config": {},
            "data": {"path": str(Path(__file__).parent)},
            "name": name,
            "device": "cpu",
            **fields,
        }

    return make
