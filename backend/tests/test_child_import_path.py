"""No Python that MedSSL starts imports what lies in a job folder, the home, or wherever its parent happens to be."""

from __future__ import annotations

import ast
import dataclasses
import os
import sys
import time
from pathlib import Path

import pytest

from medssl.client import backend
from medssl.core.home import NEUTRAL_FOLDER
from medssl.core.protocol import FAILED, FINISHED, DataSpec, JobSpec
from medssl.jobs import device_probe, process
from medssl.jobs.store import JobStore
from medssl.server.worker_process import InspectionWorker

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]
FAKES = [TESTS / name for name in ("jobs", "server", "studies", "training")]
PLANTED = ("psutil", "argparse", "json", "torch")  # of the standard library, of the backend, and the heaviest
SOURCES = [
    path
    for folder in (ROOT / "backend/src", ROOT / "MedSSLPretrain", ROOT / "MedSSLInference")
    for path in sorted(folder.rglob("*.py"))
]


class Trap:
    """Modules that note, in a file of their own, that they were imported."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "marker.txt"

    def plant(self, *folders: Path) -> None:
        for folder in folders:
            for name in PLANTED:
                (folder / f"{name}.py").write_text(f"open({str(self.marker)!r}, 'a').write(__file__)\n")

    @property
    def sprung(self) -> str:
        return self.marker.read_text() if self.marker.exists() else ""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for folder in FAKES:
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, FAKES)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return home


@pytest.fixture
def trap(tmp_path, home, monkeypatch) -> Trap:
    """Planted in the home and in this process's working directory, which is what its children would inherit."""
    here = tmp_path / "here"
    here.mkdir()
    trap = Trap(tmp_path)
    trap.plant(home, here)
    monkeypatch.chdir(here)
    return trap


def finished(store: JobStore, job: str) -> None:
    assert process.wait(store, job).status.state == FINISHED, store.file(job, "log.txt").read_text()


@pytest.mark.parametrize("kind, name", [("count", "count to 2"), ("together", "two ranks")])
def test_a_resumed_job_imports_nothing_from_its_folder(home, trap, kind, name):
    store = JobStore(home)
    spec = JobSpec(kind, "genesis", {}, DataSpec(path=str(TESTS / "jobs")), name=name, device="cpu")
    job = store.create(spec)
    process.StatusFile(store.folder(job)).change(state=FAILED, ended=time.time())
    trap.plant(store.folder(job), store.folder(job) / "results", store.jobs)
    process.resume(store, job, "fake_kinds:KINDS")
    finished(store, job)
    assert not trap.sprung


def test_the_runs_of_a_comparison_import_nothing_from_their_folders(home, trap, tmp_path):
    from study_fakes import study_spec, write_catalog

    store = JobStore(home)
    spec = dataclasses.replace(study_spec(write_catalog(tmp_path / "data"), seeds=1), device="cpu")
    job = store.create(spec)
    process.StatusFile(store.folder(job)).change(state=FAILED, ended=time.time())
    trap.plant(store.folder(job), store.folder(job) / "results")
    process.resume(store, job, "study_fakes:KINDS")
    finished(store, job)
    assert not trap.sprung


def test_the_inspection_worker_imports_nothing_from_the_home(home, trap):
    worker = InspectionWorker(home, "fake_inspections:INSPECTIONS")
    try:
        status = worker.submit("restore", {"volume": {"path": "/d/ct.nrrd"}, "model": "plain"})
        end = time.monotonic() + 60
        while worker.results.status(status.id).state not in (FINISHED, FAILED) and time.monotonic() < end:
            time.sleep(0.02)
        assert worker.results.status(status.id).state == FINISHED
    finally:
        worker.close()
    assert not trap.sprung


def test_a_server_imports_nothing_from_the_home(home, trap):
    address = backend.start(sys.executable, home, timeout_s=60)
    backend.stop(address)
    assert not trap.sprung


def test_the_device_probe_imports_nothing_from_where_it_is_asked(home, trap):
    assert device_probe.probe()[0]["name"]
    assert not trap.sprung


def test_the_folder_in_which_children_start_holds_nothing_to_import():
    assert [path.name for path in NEUTRAL_FOLDER.iterdir()] == ["README.txt"]
    assert "neutral/README.txt" in (ROOT / "backend/pyproject.toml").read_text()


def test_every_process_that_the_product_starts_is_told_where():
    """A call without `cwd` inherits the folder of whoever started MedSSL."""
    calls = [(path, call) for path in SOURCES for call in starting_calls(path)]
    assert len(calls) >= 8
    wrong = [f"{path.name}:{call.lineno}" for path, call in calls if not (is_neutral(call) or is_no_python(call))]
    assert not wrong


def starting_calls(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = (
        "subprocess.Popen",
        "subprocess.run",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
    )
    return [call for call in calls if ast.unparse(call.func) in names or ast.unparse(call.func).endswith(".QProcess")]


def is_neutral(call: ast.Call) -> bool:
    if ast.unparse(call.func).endswith(".QProcess"):  # told by a call of its own, see Testing/test_pretrain_parts.py
        return True
    return any(word.arg == "cwd" and ast.unparse(word.value) == "NEUTRAL_FOLDER" for word in call.keywords)


def is_no_python(call: ast.Call) -> bool:
    return isinstance(call.args[0], ast.List) and isinstance(call.args[0].elts[0], ast.Constant)
