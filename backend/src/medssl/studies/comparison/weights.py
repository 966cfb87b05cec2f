"""The weights of each arm, fixed when a study starts: a file that changes later is not the arm's any more."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medssl.core.errors import WeightsError
from medssl.inference.models import model_path
from medssl.inference.untrained import split_reference, untrained_of_preset, untrained_presets, untrained_twin
from medssl.jobs.models.missing_model import missing_model
from medssl.jobs.models.packaged_weights import packaged_weights
from medssl.jobs.store import model_of_job
from medssl.studies.comparison.config import UNTRAINED, Arm, Study
from medssl.tasks.history.learnt_little import notes_on_learning
from medssl.tasks.history.seen_tests import notes_on_tests

DRAWING = threading.Lock()  # runs side by side are prepared in threads, which share torch's random numbers
SEEDED = re.compile(r":(\d+)$")  # untrained:PRESET:SEED is the same model in every run


@dataclass(frozen=True)
class FrozenWeights:
    """A weight file as it was when the study began; no path: from scratch."""

    path: str = ""
    sha256: str = ""


def freeze_weights(study: Study, home: Path) -> dict[str, FrozenWeights]:
    """Resolve and hash every arm's weights.

    Raises:
        NotFoundError: weights that are neither a file nor a finished job.
    """
    return {arm.name: _freeze(arm, home) for arm in study.arms}


def notes_on_arms(weights: dict[str, FrozenWeights], tests: Collection[str], home: Path) -> list[str]:
    """Notes on arms whose weights have learnt images of the test part with their labels, or hardly anything at all."""
    notes: list[str] = []
    for name, file in weights.items():
        with suppress(WeightsError):  # which its runs fail by
            said = (*notes_on_tests(home, file.path, tests), *notes_on_learning(home, file.path))
            notes += [f"{note} (arm {name})" for note in said]
    return notes


def check_unchanged(weights: FrozenWeights) -> None:
    """The file still is what it was.

    Raises:
        WeightsError: it is not there, or has other content.
    """
    if not weights.path or weights.path.startswith(UNTRAINED):
        return
    path = Path(weights.path)
    if not path.is_file() or sha256_of(path) != weights.sha256:
        raise WeightsError(
            path, "is gone or has changed since the comparison began", "Put the file back, or start a new comparison"
        )


def start_file(weights: FrozenWeights, seed: int, home: Path, folder: Path) -> str:
    """The file that a run begins with ("": none). An untrained model is drawn for it: another one for each seed.

    Raises:
        NotFoundError, WeightsError: an untrained twin of a model that is not there or cannot be used.
    """
    if not weights.path.startswith(UNTRAINED):
        return weights.path
    seed = int(found[1]) if (found := SEEDED.search(weights.path)) else seed
    file = folder / "untrained" / f"{re.sub(r'[^A-Za-z0-9_-]', '_', weights.path)[-80:]}-{seed}.safetensors"
    with DRAWING:
        if not file.is_file():
            _draw(split_reference(weights.path)[0], seed, home, file)  # type: ignore[index]  # it begins as such a reference does
    return str(file)


def _draw(name: str, seed: int, home: Path, file: Path) -> None:
    from medssl.networks.weights.weight_files import save_weights

    network = (
        untrained_of_preset(name, seed) if name in untrained_presets() else untrained_twin(model_path(home, name), seed)
    )
    file.parent.mkdir(exist_ok=True)
    save_weights(file, network.state_dict(), network.plan)  # type: ignore[arg-type]


def sha256_of(path: Path) -> str:
    """The hash of a file's content."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()


def _freeze(arm: Arm, home: Path) -> FrozenWeights:
    if not arm.weights or arm.weights.startswith(UNTRAINED):
        return FrozenWeights(arm.weights, arm.weights)
    path = model_of_job(home, arm.weights) or packaged_weights(arm.weights) or Path(arm.weights)
    if not path.is_file():
        raise missing_model(home, arm.weights, f"arm {arm.name}: weights")
    return FrozenWeights(str(path.absolute()), sha256_of(path))
