"""A backend in memory with jobs, which train by counting."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from MedSSLPretrainLib.panel.methodBox import knownMethods, knownTasks

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.core.errors import NotFoundError, ResourceError, StateError
from medssl.core.protocol import JobStatus, JobView, spec_from_json
from medssl.core.schema import build
from medssl.pretraining.genesis.config import GenesisConfig
from scaffold.server import FakeServer, listed

STEPS = build(GenesisConfig, {}, preset="laptop").training.steps  # what the panel starts with
EVERY = 40  # steps between two validations of the fake backend

DEVICES = [
    {
        "name": "cuda:0",
        "description": "Example GPU",
        "memory_bytes": 24e9,
        "free_bytes": 22e9,
        "available": True,
        "note": "",
    },
    {"name": "cpu", "description": "8 cores", "memory_bytes": 32e9, "free_bytes": 20e9, "available": True, "note": ""},
]
NO_TORCH = [{"name": "cpu", "description": "8 cores", "memory_bytes": 32e9, "free_bytes": 20e9, "available": False,
             "note": "torch cannot be imported (No module named 'torch'); run: pip install torch"}]  # fmt: skip
CREATED = 1_795_000_000.0


class FakeJob:
    """A job that trains `pace` steps whenever it is looked at."""

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        self.id, self.spec, self.pace, self.failAt = jobId, spec, pace, failAt
        self.steps = spec.config["training"].get("steps", 0)
        self.step, self.state, self.error, self.events, self.checkpoint = 0, "queued", None, [], 0

    def emit(self, kind: str, **fields) -> None:
        self.events.append({"n": len(self.events), "time": CREATED + self.step, "type": kind, **fields})

    def look(self) -> None:
        """Go on a bit."""
        if self.state == "queued":
            self.state = "running"
            kind = dict(device="cpu", precision="bf16", training=3, validation=1, config={})
            self.emit("started", steps=self.steps, **kind) if not self.step else self.emit("resumed", step=self.step)
        elif self.state == "running":
            for _ in range(self.pace):
                self._train()
                if self.state != "running":
                    return

    def _train(self) -> None:
        self.step += 1
        noise = 0.012 * math.sin(12.9898 * self.step * self.step)
        self.emit("loss", step=self.step, loss=0.03 + 0.11 * math.exp(-self.step / 60) + noise * math.exp(-self.step / 150),
                  learning_rate=1e-3, samples_per_s=9.0, data_wait=0.01)  # fmt: skip
        if self.step % EVERY == 0:
            loss = 0.032 + 0.09 * math.exp(-self.step / 70)
            self.emit("metric", step=self.step, validation_loss=loss, constant_mean_loss=0.059)
            self.emit("checkpoint", step=self.step, file=f"checkpoints/step-{self.step:08d}.safetensors")
            self.checkpoint = self.step
        if self.failAt and self.step == self.failAt:
            self.state = "failed"
            self.error = ResourceError("results/model.safetensors", "cannot be written: the disk is full", "Free 80 MB")
            self.emit("failed", error=self.error.as_dict())
        elif self.step == self.steps:
            self.state = "finished"
            self.emit("finished", step=self.step, model="results/model.safetensors", validation_loss=0.034)

    @property
    def method(self) -> str:
        """Of its model."""
        return self.spec.method

    def plan(self) -> dict:
        """Of its model."""
        return {"method": self.method, "task": {}}

    def view(self) -> JobView:
        running = self.state == "running"
        status = JobStatus(
            self.state, progress=self.step / self.steps, step=self.step, steps=self.steps, created=CREATED, device="cpu",
            eta_s=0.6 * (self.steps - self.step) if running else None,
            error=self.error.as_dict() if self.error else None,
        )  # fmt: skip
        return JobView(self.id, self.spec, status, len(self.events), ("log.txt",))


class TrainingServer(FakeServer):
    """Jobs that train by counting, beside volumes, catalogues and previews.

    Attributes:
        pace: steps a job trains between two looks.
        failAt: the step at which the next job fails; 0: none.
        jobs: all of them, oldest first.
    """

    def __init__(self, pace: int = 40, polls: int = 0, devices=DEVICES, **options) -> None:
        super().__init__(polls, devices=devices, **options)
        self.pace, self.failAt = pace, 0
        self.jobs: list[FakeJob] = []

    def listings(self) -> dict[str, Any]:
        """Methods and tasks too; the models are those of finished jobs, newest first."""
        done = [job for job in reversed(self.jobs) if job.state == "finished" and job.spec.kind != "compare"]
        models = [
            dict(model=job.id, name=job.spec.name or job.id, method=job.method, plan=job.plan(), created=1.0)
            for job in done
        ]
        return {
            **super().listings(),
            "methods": knownMethods(),
            "tasks": knownTasks(),
            "models": [listed(model) for model in models],
            "dataset-specs": [],
        }

    def _route(self, call, parts, query):
        return self._jobRoute(call, parts, query) if parts[0] == "jobs" else super()._route(call, parts, query)

    def _jobRoute(self, call, parts, query):
        if len(parts) == 1:
            return (
                (201, self._submit(call)) if call.method == "POST" else (200, [j.view() for j in reversed(self.jobs)])
            )
        job = next((j for j in self.jobs if j.id == parts[1]), None)
        if job is None:
            raise NotFoundError(f"job {parts[1]}", "is not there", "Refresh the list")
        if call.method == "DELETE":
            self.jobs.remove(job)
            return 204, b""
        if len(parts) == 2:
            job.look()
            return 200, job.view()
        if parts[2] == "events":
            after = int(query.partition("=")[2])
            return 200, {"events": job.events[after:], "next": len(job.events)}
        if parts[2] == "rounds":
            return 200, self.rounds(job)
        if parts[2] == "files":
            return 200, b"Traceback: the disk is full\n"
        return 200, self._control(job, parts[2])

    def _control(self, job: FakeJob, verb: str) -> JobView:
        if verb == "cancel":
            if job.state not in ("queued", "running"):
                raise StateError(job.id, f"is {job.state}", "Nothing is to be done")
            job.state = "cancelled"
            job.emit("cancelled", step=job.step)
        else:
            job.step, job.state, job.error, job.failAt = job.checkpoint, "queued", None, 0
        return job.view()

    def _submit(self, call) -> JobView:
        if self.refusal is not None:
            raise self.refusal
        spec = spec_from_json(json.loads(call.body))
        self.jobs.append(self.makeJob(spec))
        return self.jobs[-1].view()

    def rounds(self, job: FakeJob) -> list[dict[str, Any]]:
        """The chain that ends with a job."""
        raise NotFoundError(f"job {job.id}", "has no rounds", "Choose a fine-tuning")

    def makeJob(self, spec) -> FakeJob:
        """The job that a specification asks for."""
        return FakeJob(f"20261123-0930{len(self.jobs):02d}-genesis", spec, self.pace, self.failAt)

    def _check(self, request):
        count = len(request.data.volumes) or 12
        held = max(1, count // 5)
        info = dict(volumes=count, patients=count, modality=request.data.modality or "CT", training=count - held,
                    validation=held, spacing="1 x 1 x 1 to 1 x 1 x 5, median 1 x 1 x 2", size="96 x 96 x 72",
                    orientations={"LPS": count}, left_out={}, bad=[], refused=0, notes=[])  # fmt: skip
        if request.data.path:  # a folder as it comes from a PACS
            bad = {"file": f"{request.data.path}/p3/ct.nii.gz", "reason": "is cut off"}
            info |= {"left_out": {"localiser": 2}, "bad": [bad], "refused": 1, "notes": ["1 file cannot be used: ..."]}
        return (), info, {}

    def _preview(self, request):
        draw = crops if request.method == "peac" else sub_volumes
        return (), {}, draw(self.volumes[request.data.volumes[-1].sha256], request.count)


def sub_volumes(nrrd: bytes, count: int) -> dict[str, bytes]:
    """Sub-volumes side by side, and a rough imitation of painting and intensity curves."""
    array, geometry = read_nrrd_bytes(nrrd)
    random = np.random.default_rng(3)
    volume = np.clip((array.astype(np.float32) + 1000) / 2000, 0, 1)
    side = tuple(min(n, m) for n, m in zip((16, 48, 48), volume.shape))
    plain, distorted = [], []
    for n in range(count):
        start = [int(random.integers(0, have - want + 1)) for have, want in zip(volume.shape, side)]
        crop = volume[tuple(slice(s, s + w) for s, w in zip(start, side))]
        noisy = random.random(side, dtype=np.float32)
        kept = tuple(slice(int(s * 0.2), int(s * 0.75)) for s in side)
        changed = (noisy if n % 2 else crop).copy()
        changed[kept] = (1 - crop if n == 2 else np.sqrt(crop))[kept] if n % 2 else noisy[kept]
        plain.append(crop)
        distorted.append(changed)
    images = {"original": np.concatenate(plain, axis=2), "distorted": np.concatenate(distorted, axis=2)}
    return {f"{name}.nrrd": nrrd_bytes(image, geometry) for name, image in images.items()}


def crops(nrrd: bytes, count: int) -> dict[str, bytes]:
    """Crops of a radiograph side by side, as 2D files; their patches shuffled."""
    image, _geometry = read_nrrd_bytes(nrrd)
    image = image[0, :40, :40].astype(np.float32) / image.max()
    shuffled = np.random.default_rng(0).permuted(image.reshape(4, 10, 4, 10).swapaxes(1, 2), axis=0)
    images = {"original": image, "distorted": shuffled.swapaxes(1, 2).reshape(40, 40)}
    header = f"NRRD0004\ntype: float\ndimension: 2\nsizes: {40 * count} 40\nendian: little\nencoding: raw\n\n"
    return {
        f"{name}.nrrd": header.encode() + np.tile(array, count).astype("<f4").tobytes()
        for name, array in images.items()
    }
