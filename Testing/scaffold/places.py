"""A backend in memory that knows the anatomy of phantom volumes: equal places have equal shares of their sides."""

from __future__ import annotations

import numpy as np

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from scaffold import restoring
from scaffold.restoring import RestoreServer

PLACES = "20261129-anatomy3d-d4"
MODELS = [
    {"model": PLACES, "name": "hippocampi", "method": "anatomy3d", "plan": {}, "created": 4.0},
    *restoring.MODELS,
]
STEP = 2  # voxels of a cell


class PlacesServer(RestoreServer):
    """Answers searches of volumes too; while a point is dragged (no closer look) at once."""

    def __init__(self, **options) -> None:
        super().__init__(models=MODELS, **options)

    def _inspect(self, kind: str, body: dict):
        answered, status = super()._inspect(kind, body)
        if kind != "correspond_volumes" or body.get("refine", True) or self.fails is not None:
            return answered, status
        self._finish(self.results[status.id])
        return 200, self.status

    def _correspond_volumes(self, request):
        (source, first), (target, second) = (read_nrrd_bytes(self.volumes[ref.sha256]) for ref in request.volumes)
        points = request.points or [
            (first @ [*(share * np.array(source.shape[::-1])), 1.0])[:3]
            for share in np.random.default_rng(0).uniform(0.2, 0.8, (request.count, 3))
        ]
        rows, files = [], {}
        for by in ("model", *(["untrained"] if request.compare_untrained else [])):
            for number, point in enumerate(points):
                share = (np.linalg.solve(first, [*point, 1.0])[:3] + 0.5) / source.shape[::-1]
                found = share if by == "model" else 1 - share
                voxel = found * target.shape[::-1] - 0.5
                place = (second @ [*voxel, 1.0])[:3]
                rows.append(dict(
                    label=str(number + 1), point=number, volume=1, name=request.volumes[1].name, by=by,
                    **{f"source_{axis}": float(v) for axis, v in zip("ras", point)},
                    **{axis: float(v) for axis, v in zip("ras", place)}, similarity=0.9, confidence=0.75, way_back=1.2,
                    runner_up_r=None, runner_up_a=None, runner_up_s=None, runner_up_similarity=None,
                ))  # fmt: skip
                if by == "model" and request.points and number == request.map_of:
                    files[f"similarity-{number + 1}-1.nrrd"] = self._map(target, second, voxel)
        return rows, {"names": [ref.name for ref in request.volumes], "notes": [], "model": request.model}, files

    def _map(self, target, geometry, voxel) -> bytes:
        sides = [-(-side // STEP) for side in target.shape]
        places = np.stack(np.meshgrid(*(np.arange(side) * STEP + 0.5 for side in sides), indexing="ij"), -1)
        away = np.linalg.norm(places - voxel[::-1], axis=-1)
        moved = geometry @ np.diag([STEP, STEP, STEP, 1.0])
        moved[:3, 3] = (geometry @ [0.5, 0.5, 0.5, 1.0])[:3]
        return nrrd_bytes((0.2 + 0.7 * np.exp(-((away / 5) ** 2))).astype(np.float32), moved)
