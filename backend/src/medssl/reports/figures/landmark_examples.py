"""Where landmarks were found, over a radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medssl.images.volume import Volume
from medssl.inspection.anatomy.colours import distinct
from medssl.inspection.anatomy.landmark_search import Query
from medssl.reports.figures.anatomy import EDGE
from medssl.reports.figures.image_grid import ImageGrid

MOST = 4  # models side by side


def draw_examples(
    image: Volume,
    number: int,
    name: str,
    truth: dict[str, tuple[float, float]],
    queries: Sequence[Query],
    places: dict[str, np.ndarray],
    path: Path,
) -> None:
    """One image, a tile per model: rings where landmarks are, dots where they were found from the other patients' images."""
    models = [*list(places)[: MOST - 1], list(places)[-1]] if len(places) > MOST else list(places)
    tiles = ImageGrid([image] * len(models), models, f"Landmarks found in {name}", foot=0.42)
    colours = dict(zip(truth, distinct(len(truth))))
    here = [n for n, query in enumerate(queries) if query.target == number]
    for tile, model in zip(tiles.tiles, models):
        found = places[model]
        x_found, y_found = found[here].T
        tile.scatter(
            x_found,
            y_found,
            s=15,
            c=[colours[queries[n].landmark] for n in here],
            linewidths=0,
            alpha=0.75,
            clip_on=True,
        )
        for landmark, (x, y) in truth.items():
            tile.plot([x], [y], "o", mfc="none", mec=colours[landmark], ms=10, mew=1.8, path_effects=EDGE)
    per_line = max(len(truth), 1)
    for n, landmark in enumerate(truth):
        left = 0.2 + n * (tiles.width - 0.3) / per_line
        tiles.write("●", left, tiles.height - 0.3, size=8, color=colours[landmark])
        tiles.write(landmark.replace("_", " "), left + 0.14, tiles.height - 0.3, size=7)
    tiles.save(path)
