"""Job kinds without torch: the job's name says how it behaves. The child imports this through `--kinds`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from medssl.core.errors import CancelledError, VolumeError
from medssl.jobs import Kind


def count(spec, run):
    """Count to the number in the name, one event and one checkpoint file a step; goes on after a resume."""
    steps = int(spec.name.split()[-1])
    done = sorted((run.folder / "checkpoints").glob("step-*"))
    first = int(done[-1].name[5:]) if run.resume and done else 0
    run.emit(
        "resumed" if first else "started", **({"step": first} if first else {"device": run.device, "steps": steps})
    )
    for step in range(first + 1, steps + 1):
        if run.cancel_requested():
            raise CancelledError()
        run.emit("loss", step=step, loss=1.0 / step)
        (run.folder / "checkpoints" / f"step-{step:04d}").touch()
        run.progress(step, steps, "counting", eta_s=0.1)
        time.sleep(0.02)
    (run.folder / "results" / "model.safetensors").write_bytes(b"model")
    run.emit("finished", step=steps, model="results/model.safetensors", validation_loss=0.5)


def misbehave(spec, run):
    """End in the way that the name asks for."""
    if spec.name == "volume error":
        raise VolumeError("lung.nrrd", "is truncated", "Copy it again")
    if spec.name == "bug":
        raise RuntimeError("out of ideas")
    if spec.name == "import":
        import a_package_that_is_not_there  # noqa: F401
    if spec.name == "deaf":
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (run.folder / "results" / "grandchild").write_text(str(child.pid))
        run.emit("started", device=run.device)
        time.sleep(60)
    if spec.name == "fails with a child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (run.folder / "results" / "child").write_text(str(child.pid))
        raise RuntimeError("alone")
    if spec.name == "nan":
        run.emit("warning", code="not-a-number", loss=float("nan"))


def together(spec, run):
    """Two processes, as Fabric's launcher makes them: the same command line with a local rank."""
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    other = None
    if rank == 0:
        command = [sys.executable, "-m", "medssl.jobs.child", *sys.argv[1:]]
        other = subprocess.Popen(command, env={**os.environ, "LOCAL_RANK": "1"})
    run.emit("loss", step=1, rank=rank)
    Path(run.folder, "results", f"rank-{rank}").write_text(run.device)
    if other is not None:
        assert other.wait(30) == 0


KINDS = {
    name: Kind(f"fake_kinds:{name}", "medssl.pretraining.check:check_pretrain")
    for name in ("count", "misbehave", "together")
}
