"""Tables of candidates with their probabilities, and of the nodules (or other findings) that they should be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.tables import read_table
from medssl.datasets.entry import FRAMES
from medssl.evaluation.prediction_tables import ATTRIBUTE, LABEL
from medssl.images.formats.image_files import stem
from medssl.images.formats.reading import read_volume
from medssl.images.points import located
from medssl.images.volume import LPS_TO_RAS

PLACE = re.compile(r"(.+) \((\S+) (\S+) (\S+) (RAS|LPS|voxel)\)")  # how predictions name a place: see `entry.shown`
LUNA16 = {
    "seriesuid": "image",
    "coordX": "x",
    "coordY": "y",
    "coordZ": "z",
    "diameter_mm": "diameter",
}  # its places are LPS
POINT, FRAME = ("x", "y", "z"), "coordinates"
DIAMETERS, IRRELEVANT = ("diameter", "diameter_mm"), "irrelevant"
USUAL_SCORE = "probability"
YES, NO = ("1", "yes", "true"), ("", "0", "no", "false")


@dataclass(frozen=True, eq=False)
class Places:
    """N places in scans.

    Attributes:
        scans: of each: the scan's file where it is there, else its name in the table.
        places: (N, 3) mm of the LPS frame.
        values: (N,) scores of candidates, radii in mm of nodules.
        patients: scan -> patient, where the table says so.
        irrelevant: (N,) bool: findings that are neither to be found nor wrong to be found.
        empty: further scans that the table names, without any place.
    """

    scans: tuple[str, ...]
    places: np.ndarray
    values: np.ndarray
    patients: dict[str, str]
    irrelevant: np.ndarray
    empty: tuple[str, ...] = ()

    def renamed(self, names: Mapping[str, str]) -> Places:
        """The same with other names of the scans."""
        patients = {names[scan]: patient for scan, patient in self.patients.items()}
        scans, empty = (tuple(names[scan] for scan in group) for group in (self.scans, self.empty))
        return replace(self, scans=scans, empty=empty, patients=patients)

    def every_scan(self) -> set[str]:
        """The scans that the table names."""
        return {*self.scans, *self.empty}


def read_candidates(path: Path, score: str = "") -> Places:
    """Read candidates: columns image, x, y, z (coordinates: RAS, LPS or voxel) and a score; a table of predictions of candidates; or LUNA16's.

    Args:
        path: of the table.
        score: the column of the scores; "": `probability`, else the only class of a table of predictions.

    Raises:
        CatalogError: no table, a missing column, a field that is no number.
        VolumeError: voxel indices in a scan that cannot be read.
    """
    columns, rows = _read(path)
    score = score or _score_column(path, columns)
    if score not in columns:
        rule, remedy = f"has no column {score!r} (it has: {', '.join(columns)})", "Name the column of the scores"
        raise CatalogError(path, rule, remedy, code="column-missing")
    places, scans = _places(path, rows)
    scores = np.array([_number(path, line, score, row[score]) for line, row in rows])
    return Places(scans, places, scores, _patients(path, rows), np.zeros(len(rows), bool))


def read_nodules(path: Path, radius: float = 0.0) -> Places:
    """Read nodules: columns image, x, y, z, diameter (mm); irrelevant (0 or 1) marks findings that count neither way.

    A row without x, y, z names a scan without nodules.

    Args:
        path: of the table.
        radius: mm, instead of the diameters; 0: as the table says.

    Raises:
        CatalogError: no table, a missing column, a field that is no number, a diameter that is not above 0.
        VolumeError: voxel indices in a scan that cannot be read.
    """
    columns, rows = _read(path)
    size = next((name for name in DIAMETERS if name in columns), "")
    if not size and not radius:
        rule, remedy = "has no column diameter", "Add the diameters in mm, or give one radius for all"
        raise CatalogError(path, rule, remedy, code="column-missing")
    kept = [(line, row) for line, row in rows if any(row.get(name) for name in POINT)]
    empty = tuple(_scan(path, row["image"]) for _, row in rows if not any(row.get(name) for name in POINT))
    places, scans = _places(path, kept)
    radii = np.array([radius or _number(path, line, size, row[size]) / 2 for line, row in kept])
    for (line, row), value in zip(kept, radii):
        if not value > 0:
            raise CatalogError(
                f"{path.name}, line {line}: {size} {row[size]!r}",
                "is not above 0",
                "Give it in mm",
                code="diameter-missing",
            )
    irrelevant = np.array([_flag(path, line, row.get(IRRELEVANT, "")) for line, row in kept], bool)
    return Places(scans, places, radii, _patients(path, rows), irrelevant, empty)


def with_same_scans(candidates: Places, nodules: Places) -> tuple[Places, Places]:
    """Both with the same names for the same scans: as they are, or by file name without suffix where no scan is in both.

    Raises:
        CatalogError: no scan is in both then either, or two scans have one file name.
    """
    if candidates.every_scan() & nodules.every_scan():
        return candidates, nodules
    short = [{scan: stem(Path(scan)) for scan in part.every_scan()} for part in (candidates, nodules)]
    if not set(short[0].values()) & set(short[1].values()):
        first = [next(iter(sorted(part.every_scan())), "none") for part in (candidates, nodules)]
        raise CatalogError(
            "scans of candidates and nodules", f"have no name in common ({first[0]} and {first[1]})",
            "Name the scans alike in both tables", code="scans-not-shared",
        )  # fmt: skip
    for names in short:
        if len(set(names.values())) < len(names):
            raise CatalogError(
                "file names of scans", "are not different from each other", "Give full paths in both tables",
                code="scans-not-shared",
            )  # fmt: skip
    return candidates.renamed(short[0]), nodules.renamed(short[1])


def _read(path: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """Columns under our names, and (line number, row)."""
    table = read_table(path, known=("image", *POINT, FRAME, "patient", *DIAMETERS, IRRELEVANT, USUAL_SCORE))
    luna = "seriesuid" in table.columns
    ours = {name: LUNA16.get(name, name) if luna else name for name in table.columns}
    rows = [{ours[name]: value.strip() for name, value in row.items()} for row in table.rows]
    for row in rows:
        if luna:
            row.setdefault(FRAME, "LPS")
        elif "x" not in row and (found := PLACE.fullmatch(row.get("image", ""))):
            row.update(zip(("image", *POINT, FRAME), found.groups()))
    columns = tuple(dict.fromkeys(name for row in rows for name in row)) or tuple(ours.values())
    missing = [name for name in ("image", *POINT) if name not in columns]
    if missing or not rows:
        rule = f"has no column {missing[0]!r}" if missing else "holds no rows"
        raise CatalogError(path, rule, "Give columns image, x, y and z", code="column-missing")
    return columns, list(zip(table.lines, rows))


def _score_column(path: Path, columns: tuple[str, ...]) -> str:
    if USUAL_SCORE in columns:
        return USUAL_SCORE
    known = ("image", "patient", "name", "split", "modality", FRAME, *POINT)
    labelled = [name.removeprefix(LABEL) for name in columns if name.startswith(LABEL)]
    names = labelled or [name for name in columns if name not in known and not name.startswith(ATTRIBUTE)]
    if len(names) == 1:
        return names[0]
    rule = f"has no column {USUAL_SCORE}, and {'several others' if names else 'no other'}: {', '.join(names) or '-'}"
    raise CatalogError(path, rule, "Say which column holds the scores: --score", code="score-unclear")


def _places(path: Path, rows: list[tuple[int, dict[str, str]]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N, 3) mm, LPS, and the scans."""
    affine: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # of scans whose places are voxel indices
    scans, places = [], []
    for line, row in rows:
        scan = _scan(path, row["image"])
        point = np.array([_number(path, line, name, row.get(name, "")) for name in POINT])
        frame = {known.lower(): known for known in FRAMES}.get((row.get(FRAME) or "RAS").lower())
        if frame is None:
            raise CatalogError(
                f"{path.name}, line {line}: {FRAME} {row[FRAME]!r}", "is unknown", f"Use {', '.join(FRAMES)}",
                code="frame-unknown",
            )  # fmt: skip
        if frame == "voxel":
            if scan not in affine:
                affine[scan] = _affine(scan)
            point = affine[scan][0] + affine[scan][1] @ point
        scans.append(scan)
        places.append(LPS_TO_RAS @ point if frame == "RAS" else point)
    return np.array(places, float).reshape(-1, 3), tuple(scans)


def _affine(scan: str) -> tuple[np.ndarray, np.ndarray]:
    """Place of the first voxel, and mm along each axis."""
    volume = read_volume(scan)
    first = np.array(located(volume, (0, 0, 0), "voxel").point)
    return first, volume.direction * volume.spacing


def _scan(path: Path, text: str) -> str:
    beside = path.parent / text.replace("\\", "/")
    return str(beside.resolve()) if beside.exists() else text


def _patients(path: Path, rows: list[tuple[int, dict[str, str]]]) -> dict[str, str]:
    return {_scan(path, row["image"]): row["patient"] for _, row in rows if row.get("patient")}


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        where = f"{path.name}, line {line}: {name} {text!r}"
        raise CatalogError(where, "is no number", "Correct it, or leave the row out", code="number-unreadable")
    return value


def _flag(path: Path, line: int, text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        where = f"{path.name}, line {line}: {IRRELEVANT} {text!r}"
        raise CatalogError(where, "is neither 0 nor 1", "Mark what counts neither way with 1", code="label-not-binary")
    return text.lower() in YES
