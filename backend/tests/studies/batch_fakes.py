"""Job kinds that do nothing for long, and leave what a batch looks for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from medssl.core.errors import TrainingError
from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.jobs import KINDS as REAL
from medssl.jobs import Kind

CASES = "image,patient,class,dice,iou,surface_dice,hd95,volume_ml,reference_volume_ml\n" + "".join(
    f"i{n}.png,p{n},{label},0.{n + 2},0.{n + 1},0.{n + 2},{9 - n},1,1\n" for n in range(6) for label in ("a", "mean")
)


def train(spec: JobSpec, run: Run) -> None:
    """Leaves a model; fails or dies on wish, the latter once."""
    with (run.home / "ran.txt").open("a") as file:
        file.write(f"{spec.name} {run.device}\n")
    if "fail" in spec.name:
        raise TrainingError("loss", "is not a number", "Lower the learning rate")
    if "die" in spec.name and not (run.home / "died").exists():
        (run.home / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (run.folder / "results" / "model.safetensors").write_bytes(spec.start_from.encode())
    (run.folder / "results" / "cases.csv").write_text(CASES)
    run.emit("evaluation", validation={"dice": 0.7}, test={"dice": 0.8, "iou": 0.6, "hd95": 3.0})


def apply(spec: JobSpec, run: Run) -> None:
    """Needs the model that it was given."""
    assert Path(spec.start_from).is_file()
    run.emit("finished", step=3, images=3, failed=1, output="")


KINDS = {
    "finetune": Kind("batch_fakes:train", REAL["finetune"].check),
    "apply": Kind("batch_fakes:apply", REAL["apply"].check),
}
