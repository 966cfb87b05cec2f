"""Training data of a pretraining, and the method that learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.jobs.split_record import Begun
from medssl.training.method import Method


@dataclass(frozen=True)
class TrainingData:
    """What a pretraining is made of: the method, and what it learns from and is measured on."""

    method: Method
    training: Sequence[Any]
    validation: Sequence[Any]
    sizes: dict[str, Any]  # for the `started` event
    note: str = ""  # a warning before training starts ...
    code: str = "one-patient"  # ... and what it is about
    several_heads: bool = False  # a step goes through one of them
    table_warnings: tuple[dict[str, str], ...] = ()  # value, rule and remedy of what is odd in the tables
    remarks: tuple[str, ...] = ()  # what the user should know of the images
    warnings: tuple[
        dict[str, str], ...
    ] = ()  # code, message and remedy of what else to say: files left out, for instance
    begun: Begun | None = None  # what a resume keeps to, where it cannot be read off the data


def provenance(spec: JobSpec, run: Run, volumes: int) -> dict[str, Any]:
    """Where weights come from, for their header."""
    return {"job": run.folder.name, "volumes": volumes, "start_from": spec.start_from}
