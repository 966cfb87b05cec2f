"""The runs of a comparison: in which order, in which folders, and what makes two runs the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.protocol import FAILED, FINISHED, DataSpec, JobSpec, to_json
from medssl.studies.comparison.budget import shortened
from medssl.studies.comparison.config import SIZES, Arm, Study
from medssl.studies.comparison.run_folder import read_done, read_failure
from medssl.studies.comparison.weights import FrozenWeights
from medssl.tasks import TASKS

MISSING = "missing"  # beside FINISHED and FAILED
RIVAL = " (rival)"  # behind the name of a trivial rival, where arms are named; no arm may be called so


@dataclass(frozen=True)
class RunKey:
    """One run of a study."""

    arm: str
    size: float
    seed: int

    def folder(self, root: Path) -> Path:
        """Where the run, or what a trivial rival answered in its place, lives below the job folder."""
        return root / ("rivals" if RIVAL in self.arm else "runs") / self.arm / f"{self.size:g}" / str(self.seed)


@dataclass(frozen=True)
class RunResult:
    """How a run ended, as its folder says."""

    key: RunKey
    state: str = MISSING
    test: dict[str, float | None] = dataclasses.field(default_factory=dict)
    validation: dict[str, float | None] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    about: dict[str, Any] = dataclasses.field(default_factory=dict)  # parameters, what the transfer said


RESULT_FIELDS = {field.name for field in dataclasses.fields(RunResult)}


def order(study: Study) -> list[RunKey]:
    """All runs: every arm and size of a seed before the next seed, so that an unfinished study is balanced."""
    return [RunKey(arm.name, size, seed) for seed in study.seeds for size in study.sizes for arm in study.arms]


def run_spec(
    study: Study, key: RunKey, data: DataSpec, start_from: str, device: str, version: int, share: float = 1.0
) -> JobSpec:
    """The job of one run: the arm's settings, the study's size and seed.

    Args:
        version: of the comparison's own spec.
        share: of the steps that it trains.
    """
    arm = study.arm(key.arm)
    config = shortened(arm.config, share)
    config = {**config, "select": {**config["select"], SIZES[study.unit]: key.size, "seed": key.seed}}
    if "training" in config:
        config["training"] = {**config["training"], "seed": key.seed}
    else:
        config["seed"] = key.seed
    return JobSpec(
        TASKS[study.task].kind, study.task, config, data, name=f"{key.arm} {key.size:g} {key.seed}", device=device,
        start_from=start_from, partial_weights=arm.partial, version=version, rivals=False,
    )  # fmt: skip


def digest(spec: JobSpec, weights: FrozenWeights, data_sha256: str) -> str:
    """What the run's result depends on, as 16 hexadecimal digits; not where files lie, and not the device."""
    parts = [spec.kind, spec.method, spec.config, spec.partial_weights, spec.data.modality, weights.sha256, data_sha256]
    return hashlib.sha256(json.dumps(to_json(parts), sort_keys=True).encode()).hexdigest()[:16]


def outcome(key: RunKey, root: Path, expected: str = "") -> RunResult:
    """How the run ended, as its folder says; with `expected`, an end of another digest does not count."""
    folder = key.folder(root)
    for state, end in ((FINISHED, read_done(folder)), (FAILED, read_failure(folder))):
        if end and (not expected or end["digest"] == expected):
            return RunResult(key, state, **{name: value for name, value in end.items() if name in RESULT_FIELDS})
    return RunResult(key)


def outcomes(study: Study, root: Path) -> list[RunResult]:
    """The outcome of every run, in the order of `order`."""
    return [outcome(key, root) for key in order(study)]


def expand(study: Study, values: tuple[str, ...]) -> Study:
    """Each arm once per value of the attribute it trains on: "genesis" becomes "genesis sex-F" and "genesis sex-M"."""
    if not study.train_on:
        return study
    arms = tuple(
        dataclasses.replace(arm, name=arm.name + _suffix(study, value), train_on=value)
        for arm in study.arms
        for value in values
    )
    groups = study.groups if study.train_on in study.groups else (*study.groups, study.train_on)
    return dataclasses.replace(study, arms=arms, groups=groups)


def base_name(study: Study, arm: Arm) -> str:
    """What the user calls the arm, whatever it trains on."""
    return arm.name.removesuffix(_suffix(study, arm.train_on)) if arm.train_on else arm.name


def rival_arm(study: Study, name: str, value: str) -> str:
    """What stands for an arm where a trivial rival, trained on the same value of the attribute, is held against arms."""
    return name + RIVAL + (_suffix(study, value) if value else "")


def reference_of(study: Study, arm: Arm) -> str:
    """The arm that this one is compared with: the reference, trained on the same; "" for the reference itself."""
    if base_name(study, arm) == study.reference:
        return ""
    return study.reference + (_suffix(study, arm.train_on) if arm.train_on else "")


def _suffix(study: Study, value: str) -> str:
    """Folders bear the name: only letters, digits and a few signs; values that differ in others stay apart by a checksum."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", value).rstrip(".")
    value = plain if plain == value else f"{plain}-{zlib.crc32(value.encode()):08x}"
    return " " + re.sub(r"[^A-Za-z0-9_.+-]", "_", study.train_on) + f"-{value}"


def describe_size(study: Study, size: float) -> str:
    """The size in words."""
    if study.unit == "fractions":
        return f"{100 * size:.4g} % of patients" if size < 1 else "all patients"
    return f"{size:g} patients" if study.unit == "patients" else f"{size:g} per class"
