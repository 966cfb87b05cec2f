"""The scenarios in the order in which they are played; each is a module with `ACTS`, its steps for each application run.

What the runner has to know of them stands here: a scenario itself can only be imported inside the application.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Title, number of acts, and whether it has a home folder of its own without a backend that is named."""

    title: str
    acts: int = 1
    ownHome: bool = False


FACTS = {
    "first_run": Facts("the first run, without a backend", ownHome=True),
    "pretraining": Facts("pretrain on volumes: check, preview, start, cancel, resume, finish"),
    "declared_sets": Facts("Foundation Ark on declared sets; save, and open in a fresh application", acts=2),
    "restoring": Facts("restore a region and a whole volume, cancel, delete the input; a first four-up", acts=2),
    "comparing": Facts("compare radiographs: places, a moved point, parts, patch map, landmarks, a deleted image"),
    "predicting": Facts("findings, saliency, similar cases; save, and open in a fresh application", acts=2),
    "finetuning": Facts("fine-tune on the scene, segment, correct, go on"),
    "closing": Facts("close the scene while a job runs"),
    "looks": Facts("both panels at two widths, light and dark"),
    "stopping": Facts("stop the backend in one module"),
    "console": Facts("self-tests, console verbs, sample data"),
    "reloading": Facts("reload modules, close scenes and switch modules, again and again"),
}
NAMES = tuple(FACTS)
