"""How much the models that train on one value of an attribute each train on: a gap may come from that alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medssl.studies.comparison.config import Study

MUCH = 0.2  # of the larger number


def size_rows(study: Study, counts: Mapping[str, Mapping[str, int]]) -> tuple[list[str], list[list[Any]]]:
    """A row per value: patients and images of the training set, which every size draws from.

    Args:
        study: trains on `study.train_on`.
        counts: see `StudyData`.
    """
    heads = [f"trained on {study.train_on}", "patients", "images"]
    return heads, [[value, counted["training"], counted["training images"]] for value, counted in counts.items()]


def size_caution(study: Study, counts: Mapping[str, Mapping[str, int]]) -> str:
    """What is to be said where the numbers differ by more than a fifth; "" where they do not.

    A study of so many patients (or patients per class) makes those alike: then it is images per patient that count.
    """
    patients = {value: counted["training"] for value, counted in counts.items()}
    images = {value: counted["training images"] for value, counted in counts.items()}
    each = {value: images[value] / patients[value] for value in counts}
    asked = {"patients": patients, "images": images} if study.unit == "fractions" else {"images per patient": each}
    uneven = {what: known for what, known in asked.items() if max(known.values()) * (1 - MUCH) > min(known.values())}
    if not uneven:
        return ""
    counted = "; ".join(
        f"{what}: {', '.join(f'{value} {count:.4g}' for value, count in known.items())}"
        for what, known in uneven.items()
    )
    remedy = f" Give the study patients: [{min(patients.values())}] at most." if "patients" in uneven else ""
    return f"The models were trained on sets of different size ({counted}): differences between them may come from that.{remedy}"
