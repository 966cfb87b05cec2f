"""Find the same anatomy in two or more CTs or MRs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medssl.core.capabilities import VOXELS
from medssl.core.errors import InputError, VolumeError, be, counted
from medssl.core.requests import CorrespondVolumesRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.images.formats.reading import write_volume
from medssl.images.volume import LPS_TO_RAS
from medssl.inference.capabilities import require
from medssl.inference.untrained import split_reference
from medssl.inference.volumes.voxel_grid import VoxelGrid
from medssl.inspection.volume_match.match_rows import COLUMNS, match_rows
from medssl.inspection.volume_match.place_search import check_points, find_places, points_shown
from medssl.inspection.volume_match.shared_places import choose_points
from medssl.reports.figures.places import draw_places

DESCRIBING = 0.9  # of the progress
TABLE, PICTURE = "correspondences.csv", "montage.png"


def correspond_volumes(request: CorrespondVolumesRequest, context: Context) -> None:
    """Answer with a row per point and further volume, a picture, and maps of the points that were given.

    Where a single map is asked for, a point is on the move, and nothing is drawn.

    Raises:
        InputError: fewer than two volumes, points that are no three numbers, or a modality that is not the model's.
        VolumeError: a volume that cannot be read, is 2D or blank; a point outside the first, or nothing within the radius.
        NotFoundError: no such model or file. WeightsError: a model that does not describe volumes.
    """
    _check(request)
    points = np.array(request.points, float).reshape(-1, 3) @ LPS_TO_RAS.T
    models = [("model", request.model)]
    if request.compare_untrained and split_reference(request.model) is None:
        models.append(("untrained", f"untrained:{request.model}"))
    rows, files, notes, drawn = [], [], [], []
    for number, (by, reference) in enumerate(models):
        share = DESCRIBING / len(models)
        grids, names = _described(request, reference, context, number * share, share)
        if by == "model":
            notes = [f"{name}: {note}" for grid, name in zip(grids, names) for note in grid.notes]
            check_points(grids[0], points, names[0])
            notes += [
                f"Point {number} lies where {names[0]} shows nothing: what is found belongs to the nearest cell, and no confidence "
                "is stated. Choose a point on the body"
                for number in 1 + np.flatnonzero(~points_shown(grids[0], points))
            ]
            if not request.points:
                context.progress(DESCRIBING, "choosing places")
                points = choose_points(grids, request.count, request.seed)
            drawn = grids
        net = context.model(reference, "", request.device)
        for volume, (grid, name) in enumerate(zip(grids[1:], names[1:]), 1):
            context.progress(DESCRIBING, f"searching {name}")
            matches = []
            places = find_places(grids[0], grid, net, points, request.search_radius, request.refine)
            for point, (match, values) in enumerate(places):
                matches.append(match)
                if by == "model" and request.maps and request.points and request.map_of in (-1, point):
                    files.append(f"similarity-{point + 1}-{volume}.nrrd")
                    write_volume(grid.map_volume(values), context.folder / files[-1], compress=False)
            rows += match_rows(points, matches, volume, name, by)
    if not request.points and len(points) < request.count:
        found = counted(len(points), "place")
        notes.append(f"Only {found} of {request.count} {be(len(points))} found again on the way back")
    write_table(rows, context.folder / TABLE, COLUMNS)
    if rows and request.map_of < 0:
        context.progress(0.95, "drawing")
        draw_places(drawn, names, rows, context.folder / PICTURE)
        files.append(PICTURE)
    info = {"names": names, "notes": notes, "model": request.model, "cell_mm": drawn[0].step_mm.tolist()}
    context.finish([TABLE, *files], rows, info)


def _check(request: CorrespondVolumesRequest) -> None:
    if len(request.volumes) < 2:
        raise InputError(
            counted(len(request.volumes), "volume"), f"{be(len(request.volumes))} too few: 2 at least are needed here",
            "Choose another volume too", code="too-few-images",
        )  # fmt: skip
    if request.points and request.map_of >= len(request.points):
        raise InputError(
            f"map_of = {request.map_of}", f"is not the number of a point: there are {len(request.points)}",
            "Count the points from 0", code="point-number-unknown",
        )  # fmt: skip
    for point in request.points:
        if len(point) != 3 or not np.isfinite(np.array(point, float)).all():
            raise InputError(
                f"point {list(point)}", "is no place in a volume", "Give three numbers: R, A and S in mm",
                code="not-a-point",
            )  # fmt: skip


def _described(
    request: CorrespondVolumesRequest, reference: str, context: Context, begin: float, share: float
) -> tuple[list[VoxelGrid], list[str]]:
    """The descriptors of each volume, warm where they were asked for before, and a name for each."""
    require(context.model(reference, "", request.device).plan, VOXELS)  # before a volume is read: it may take long
    grids, names = [], []
    for number, ref in enumerate(request.volumes):
        grid = context.places(
            ref, reference, request.device, _progress(context, begin, share, number, len(request.volumes))
        )
        name = ref.name or grid.seen.name or f"volume {number + 1}"
        if not bool(grid.foreground.any()):
            raise VolumeError(name, "is blank", "Choose another volume", code="image-blank")
        grids.append(grid)
        names.append(name)
    return grids, names


def _progress(context: Context, begin: float, share: float, number: int, of: int) -> Callable[[int, int], None]:
    def report(done: int, tiles: int) -> None:
        fraction = begin + share * (number + done / tiles) / of
        context.progress(fraction, f"describing volume {number + 1} of {of}: tile {done} of {tiles}")

    return report
