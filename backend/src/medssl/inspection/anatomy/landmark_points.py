"""Known landmarks of the images of a catalogue: read, matched and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError
from medssl.core.tables import read_table
from medssl.datasets.catalog.catalog import Catalog

COLUMNS = ("image", "landmark", "x", "y")
Landmarks = dict[int, dict[str, tuple[float, float]]]  # number of the catalogue's entry: landmark: (x, y) in pixels


def read_landmarks(path: str | Path) -> list[dict[str, str]]:
    """Rows of a landmarks CSV.

    Raises:
        NotFoundError: no such file.
        CatalogError: a column is missing, or it is no text table.
    """
    rows = read_table(Path(path), COLUMNS).rows
    if not rows:
        raise CatalogError(path, "holds no rows", "Use image, landmark, x, y")
    return rows


def match_landmarks(rows: Iterable[dict[str, Any]], catalog: Catalog, partial: bool = False) -> tuple[Landmarks, int]:
    """Give every row to its image, which it names by name, file name or path.

    Args:
        rows: with image, landmark, x, y.
        partial: the catalogue leaves images out: rows of unknown images are skipped, not refused.

    Returns:
        The landmarks, and how many rows were skipped.

    Raises:
        CatalogError: an image that is not in the catalogue or named by several, a number that is none, a repeated landmark.
    """
    names = _names(catalog)
    found: Landmarks = {}
    skipped = 0
    for number, row in enumerate(rows, start=1):
        where = f"landmark {row.get('landmark') or number}"
        for column in COLUMNS:
            if row.get(column) in (None, ""):
                raise CatalogError(
                    where, f"has no {column}", "Give image, landmark, x and y", code="coordinate-missing"
                )
        image, landmark = str(row["image"]), str(row["landmark"])
        matches = names.get(image, set()) or names.get(Path(image).name, set())
        if not matches and partial:
            skipped += 1
            continue
        if len(matches) != 1:
            rule = "is not in the catalogue" if not matches else f"names {len(matches)} images of the catalogue"
            raise CatalogError(
                f"{where}: image {image!r}", rule, "Name images as the catalogue does", code="image-unknown"
            )
        of_image = found.setdefault(next(iter(matches)), {})
        if landmark in of_image:
            raise CatalogError(
                f"{where} of {image}", "is there twice", "Give each landmark once per image", code="landmark-repeated"
            )
        of_image[landmark] = _number(row["x"], where), _number(row["y"], where)
    return found, skipped


def _names(catalog: Catalog) -> dict[str, set[int]]:
    names: dict[str, set[int]] = {}
    for number, entry in enumerate(catalog):
        for name in {entry.name, entry.image.name, entry.image.name.partition(".")[0], str(entry.image)}:
            names.setdefault(name, set()).add(number)
    return names


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise CatalogError(f"{where} at {value!r}", "is no number", "Give x and y in pixels", code="number-unreadable")
    return number
