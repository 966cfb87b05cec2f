"""Trainings killed at random moments, mostly while a checkpoint is written, end bit-equal to one that was left alone.

    python backend/checks/attacks/kills.py [KILLS]

A small pretraining runs as a job. Its process and all its children get SIGKILL, and the job is resumed, KILLS (50) times in all, over as
many trainings as that takes; then it is left to end. Prints a line for each training; the exit status is 1 where an end differs.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from medssl.core.protocol import FINISHED, QUEUED, RUNNING, DataSpec, JobSpec
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs import process
from medssl.jobs.store import JobStore

KILLS, EACH = 50, 6  # kills in all, and of one training
CONFIG = {
    "base_width": 4, "cube": [16, 16, 16],
    "training": {"steps": 60, "batch_size": 2, "validate_every": 20, "validation_samples": 2, "checkpoint_every": 2,
                 "warmup_steps": 2, "precision": "fp32", "workers": 0, "seed": 3},
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Play all trainings."""
    kills, rng, wrong, done = int(arguments[0]) if arguments else KILLS, random.Random(0), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        home, data = Path(folder) / "home", Path(folder) / "data"
        data.mkdir()
        for number in range(3):
            noise = np.random.default_rng(number).integers(-1000, 400, (40, 36, 24)).astype(np.int16)
            write_volume(Volume(noise, modality="CT"), data / f"p{number}.nrrd")
        expected = end_of(home, train(home, data, 0, rng)[0])
        while done < kills:
            job, killed, writing = train(home, data, min(EACH, kills - done), rng)
            done += max(killed, 1)
            same = end_of(home, job) == expected
            wrong += not same
            print(f"{job}: killed {killed} times, {writing} of them while a checkpoint was written; {'bit-equal' if same else 'DIFFERS'}", flush=True)  # fmt: skip
    return int(wrong > 0)


def train(home: Path, data: Path, kills: int, rng: random.Random) -> tuple[str, int, int]:
    """A job from its beginning to its end: its id, kills, and how many of them met a half-written checkpoint."""
    store = JobStore(home)
    job = process.submit(
        store, JobSpec("pretrain", "genesis", CONFIG, DataSpec(path=str(data), modality="CT"), device="cpu")
    )
    killed = writing = 0
    while (state := store.status(job).state) != FINISHED:
        if state in (QUEUED, RUNNING):
            if killed < kills and store.status(job).state == RUNNING:
                met = wait_for_moment(store.folder(job), rng)
                if kill(store.status(job).pid):
                    killed, writing = killed + 1, writing + met
            time.sleep(0.02)
        else:
            process.resume(store, job)
    return job, killed, writing


def wait_for_moment(folder: Path, rng: random.Random) -> bool:
    """Until a checkpoint is half-written, three times of four, else for a random time; whether one is."""
    wanted = rng.random() < 0.75
    end = time.monotonic() + (60.0 if wanted else rng.uniform(0.5, 12.0))
    while time.monotonic() < end:
        if wanted and any(name.startswith(".step-") for name in os.listdir(folder / "checkpoints")):
            return True
    return False


def kill(pid: int) -> bool:
    """Whether there was a process."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for one in (*root.children(recursive=True), root):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        root.wait(10)
        return True
    return False


def end_of(home: Path, job: str) -> tuple[str, str]:
    """Digests of the tensors of the model and of the losses."""
    from medssl.networks.weights.tensor_files import digest, read_safetensors

    results = JobStore(home).folder(job) / "results"
    losses = (results / "losses.csv").read_bytes()
    return digest(read_safetensors(results / "model.safetensors")[0]), hashlib.sha256(losses).hexdigest()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
