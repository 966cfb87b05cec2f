"""What candidates with scores are worth: FROC with intervals by scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError, be, counted
from medssl.evaluation.candidates import Places, with_same_scans
from medssl.evaluation.metrics.froc import RATES, FrocCurve, Matches, match
from medssl.evaluation.statistics.bootstrap import METHOD, PatientBootstrap
from medssl.evaluation.statistics.interval import FEWEST
from medssl.evaluation.verdicts import UNVARIED

CPM = "cpm"  # the mean over RATES


def evaluate_detection(candidates: Places, nodules: Places, replicates: int = 2000, seed: int = 0) -> dict[str, Any]:
    """FROC of candidates, each scan with its own share of nodules and false positives.

    Scans are drawn with all of their patient's scans, where the tables name patients.

    Returns:
        scans, patients, nodules, irrelevant, found (nodules that any candidate hits), candidates, false_positives, repeated, ignored;
        sensitivity: rate -> {value, low, high}, with `cpm`; chance: the mean sensitivity of the same candidates in random
        order; curve; rows: one per scan; notes; method; verdict: one sentence.

    Raises:
        CatalogError: no scan in common, or no nodule.
    """
    candidates, nodules = with_same_scans(candidates, nodules)
    scans = sorted(candidates.every_scan() | nodules.every_scan())
    numbers = {scan: n for n, scan in enumerate(scans)}
    matches = match(
        _numbers(candidates, numbers), candidates.places, candidates.values, _numbers(nodules, numbers), nodules.places,
        nodules.values, nodules.irrelevant, len(scans),
    )  # fmt: skip
    if not len(matches.nodule_scans):
        raise CatalogError(
            "table of nodules", "has no relevant nodule", "Give the nodules to be found", code="no-nodules"
        )
    patients = [{**candidates.patients, **nodules.patients}.get(scan, scan) for scan in scans]
    curve, bootstrap = FrocCurve(matches), PatientBootstrap(patients, replicates, seed)
    carrying = bootstrap.patients_among(np.unique(matches.nodule_scans))
    intervals = bootstrap.resample(curve.statistic).intervals([carrying] * (len(RATES) + 1))
    names = [*(f"{rate:g}" for rate in RATES), CPM]
    false, hits = curve.points()
    found: dict[str, Any] = {
        "task": "detection", "scans": len(scans), "patients": len(set(patients)), "nodules": len(matches.nodule_scans),
        "irrelevant": int(nodules.irrelevant.sum()), "found": int((matches.nodule_scores > -np.inf).sum()),
        "candidates": len(candidates.scans), "false_positives": len(matches.false_scans), "repeated": matches.repeated,
        "ignored": matches.ignored,
        "sensitivity": {name: interval.as_dict() for name, interval in zip(names, intervals)},
        "chance": chance(matches),
        "curve": {"false_positives_per_scan": false.tolist(), "sensitivity": hits.tolist()},
        "rows": [_row(scan, patients[n], n, matches) for n, scan in enumerate(scans)],
        "method": METHOD.format(replicates=replicates),
    }  # fmt: skip
    return found | {"notes": _notes(found, carrying), "verdict": verdict(found, intervals[-1].varies)}


def chance(matches: Matches) -> float:
    """The mean sensitivity over `RATES` that the same candidates have where their order says nothing."""
    share = float((matches.nodule_scores > -np.inf).mean())
    most = len(matches.false_scans) / matches.scans
    return float(np.mean([share * min(rate / most, 1.0) if most else share for rate in RATES]))


def verdict(found: dict[str, Any], varies: bool) -> str:
    """One sentence: better than chance or not, and what stands in the way; `varies`: see `Interval`."""
    cpm, by_chance = found["sensitivity"][CPM], f"the {found['chance']:.3f} of the same candidates in random order"
    said = f"Mean sensitivity (CPM) {cpm['value']:.3f}"
    if not varies:
        return f"{said} against {by_chance}: {UNVARIED}."
    if cpm["low"] is None:
        return f"{said} against {by_chance}: too few scans with nodules for an interval."
    said += f" ({cpm['low']:.3f} to {cpm['high']:.3f})"
    if cpm["low"] > found["chance"]:
        return f"{said}, better than {by_chance}."
    return f"{said}, not told apart from {by_chance}."


def _numbers(places: Places, numbers: dict[str, int]) -> np.ndarray:
    return np.array([numbers[scan] for scan in places.scans], int)


def _row(scan: str, patient: str, number: int, matches: Matches) -> dict[str, Any]:
    mine = matches.nodule_scores[matches.nodule_scans == number]
    return {
        "scan": Path(scan).name or scan, "patient": patient, "nodules": len(mine), "found": int((mine > -np.inf).sum()),
        "false_positives": int((matches.false_scans == number).sum()),
    }  # fmt: skip


def _notes(found: dict[str, Any], carrying: int) -> list[str]:
    notes = []
    if missed := found["nodules"] - found["found"]:
        notes.append(
            f"{counted(missed, 'nodule')} {be(missed)} hit by no candidate: no scores can find more than the rest"
        )
    if found["repeated"]:
        notes.append(f"{counted(found['repeated'], 'further hit')} of nodules left out")
    if found["ignored"]:
        notes.append(f"{counted(found['ignored'], 'hit')} of irrelevant findings left out")
    if carrying < FEWEST:
        notes.append(f"{counted(carrying, 'patient')} with nodules {be(carrying)} too few for intervals")
    last = found["false_positives"] / found["scans"]
    if last < RATES[-1]:
        notes.append(
            f"There are {last:.2f} false positives per scan in all: at higher rates the sensitivity is that of all candidates"
        )
    return notes
