"""A backend in memory that fine-tunes: jobs of tasks beside pretrainings, with the events and results of the contract."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from medssl.client.volumes import read_nrrd_bytes
from scaffold.jobs import FakeJob, TrainingServer

REPORT = "results/report.html"
VERDICT = "The model is better than every trivial rival, the best being mean shape: Dice 0.810 against 0.430 (+0.380, +0.350 to +0.410)."


class TaskJob(FakeJob):
    """A fine-tuning, or a probe, which has no steps of training."""

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        steps = spec.config.get("training", {"steps": 1})["steps"]
        super().__init__(jobId, _withSteps(spec, steps), pace, failAt)
        self.spec = spec
        self.text = (
            f"All 38 tensors of {spec.start_from} matched; the head is new" if spec.start_from else "From scratch"
        )

    @property
    def method(self) -> str:
        return {"segmentation": "unet-segmenter", "classification": "unet-classifier", "probing": "probe"}[
            self.spec.method
        ]

    def plan(self) -> dict:
        task = {"name": self.spec.method}
        if self.spec.method == "segmentation":
            task["segments"] = json.loads(self.spec.config["classes"])
        return {"method": self.method, "task": task}

    def look(self) -> None:
        queued = self.state == "queued"
        super().look()
        if queued:
            self.emit("transfer", text=self.text, matched=38, new=2)

    def emit(self, kind: str, **fields) -> None:
        if kind == "metric":
            del fields["constant_mean_loss"]
            score = "validation_dice" if self.spec.method == "segmentation" else "validation_auc"
            fields[score] = 0.9 - 0.6 * 0.99 ** fields["step"]
        elif kind == "finished":
            super().emit("evaluation", validation={"dice": 0.81})
            super().emit("verdict", text=VERDICT, good=True)
        super().emit(kind, **fields)

    def view(self):
        view = super().view()
        return replace(view, files=(*view.files, REPORT) if self.state == "finished" else view.files)


class CompareJob(FakeJob):
    """A comparison: a step is a run."""

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        study = spec.config
        sizes = next(study[unit] for unit in ("patients", "fractions", "per_class") if unit in study)
        super().__init__(jobId, _withSteps(spec, len(study["arms"]) * len(sizes) * study["seeds"]), 1, failAt)
        self.spec = spec

    def _train(self) -> None:
        self.step += 1
        if self.step == self.steps:
            self.state = "finished"
            self.emit("finished", step=self.step, report=REPORT)

    def view(self):
        view = super().view()
        return replace(view, files=(*view.files, REPORT) if self.state == "finished" else view.files)


def _withSteps(spec, steps: int):
    return replace(spec, config={**spec.config, "training": {"steps": steps}})


class FinetuneServer(TrainingServer):
    """As TrainingServer; what is submitted may be for a task.

    Attributes: `held`, how many of the first volumes validate.
    """

    held = 1

    def makeJob(self, spec):
        kinds = {"finetune": TaskJob, "probe": TaskJob, "compare": CompareJob}
        kind = kinds.get(spec.kind, FakeJob)
        return kind(f"20261123-0930{len(self.jobs):02d}-{spec.method}", spec, self.pace, self.failAt)

    def rounds(self, job) -> list[dict]:
        """As `medssl.jobs.rounds` finds them; each round is a bit better, and the first two volumes validate."""
        chain = [job]
        while (before := next((one for one in self.jobs if one.id == chain[0].spec.start_from), None)) is not None:
            chain.insert(0, before)
        held = [ref.patient for ref in chain[0].spec.data.volumes[: self.held]]
        return [
            {"number": n, "job": one.id, "name": one.spec.name, "state": one.state, "training": len(one.spec.data.volumes) - self.held,
             "validation": held, "metric": "dice", "score": 0.81 + 0.02 * (n - 1), "minutes": 0.8, "steps": one.steps,
             "steps_per_s": 2.0, "comparable": True}
            for n, one in enumerate(chain, 1)
        ]  # fmt: skip

    def _next_case(self, request):
        """The last of the candidates is the most uncertain one."""
        count, segments = len(request.data.volumes), bool(request.model)
        rows = [
            {"rank": n + 1, "name": ref.name, "patient": ref.patient, "score": 1 - n / count,
             "uncertainty": 1.8 - 0.3 * n if segments else None, "represents": 0.4 - 0.05 * n, "difference": 1.2 - 0.1 * n, "found": 900.0,
             "nearest": "chest 1", "why": f"The model is unsure of it (its border is blurred over {1.8 - 0.3 * n:.1f} mm), "
             f"and it stands for many: {0.4 - 0.05 * n:.0%} of the others are nearer to it than to any labelled or chosen case",
             "path": "", "number": count - 1 - n}
            for n, ref in enumerate(reversed(request.data.volumes))
        ]  # fmt: skip
        by = "prediction" if segments else "statistics"
        return rows, {"by": by, "candidates": count, "labelled": 2, "skipped": 0, "notes": []}, {}

    def _plan(self, request):
        """Rows as `medssl.tasks.planning.plan_text` writes them."""
        images = f"{len(request.data.volumes)} of 24 × 20 × 16 (median), CT"
        rows = [("network", "resenc"), ("images", images), ("crop", "24 × 24 × 16 voxels, 100 % of a median image"), ("batch", "2"),
                ("note", "A step takes 200 billion operations, 4 times as many as is comfortable here: expect slow steps")]  # fmt: skip
        return [{"what": what, "which": which} for what, which in rows], {}, {}

    def mask(self, number: int, job: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """The label map that a volume of a job came with: array [k, j, i] and IJK-to-RAS."""
        ref = self.jobs[job].spec.data.volumes[number]
        return read_nrrd_bytes(self.volumes[ref.mask_sha256])
