"""A backend in memory that knows the anatomy of phantom radiographs: equal places have equal shares of width and height."""

from __future__ import annotations

import base64

import numpy as np

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.core.errors import NotFoundError
from scaffold import restoring
from scaffold.restoring import RestoreServer

PEAC = "20261123-peac-b2"
MODELS = [
    {"model": PEAC, "name": "radiographs", "method": "peac", "plan": {}, "created": 2.0},
    *restoring.MODELS,
]
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45")
GRID = 19  # patches along the short side
PARTS = ("part 1", "part 2", "part 3")


class RadiographServer(RestoreServer):
    """Answers the comparisons of radiographs too.

    Attributes:
        late: similarity questions are answered "later", to be polled.
    """

    def __init__(self, **options) -> None:
        super().__init__(models=MODELS, **options)
        self.late = False

    def _inspect(self, kind: str, body: dict):
        for ref in body.get("images", ()):
            if ref.get("sha256") and ref["sha256"] not in self.volumes:
                raise NotFoundError("volume", "was not uploaded", "Upload it first")
        answered, status = super()._inspect(kind, body)
        if kind != "similarity" or self.late or self.fails is not None:
            return answered, status
        self._finish(self.results[status.id])
        return 200, self.status

    def sizes(self, refs) -> list[tuple[int, int]]:
        """Columns and rows of each image."""
        return [read_nrrd_bytes(self.volumes[ref.sha256])[0].shape[:0:-1] for ref in refs]

    def _correspond(self, request):
        random, sizes, rows = np.random.default_rng(request.seed), self.sizes(request.images), []
        for number, (u, v) in enumerate(random.uniform(0.15, 0.85, (request.count, 2))):
            for image, (ref, (columns, lines)) in enumerate(zip(request.images, sizes)):
                rows.append(dict(
                    label=f"P{number + 1}", image=image, name=ref.name, x=u * columns, y=v * lines,
                    similarity=1.0 if image == 0 else 0.9 - 0.02 * number, confidence=0.8 - 0.05 * number, mutual=True,
                    colour=COLOURS[number % len(COLOURS)],
                ))  # fmt: skip
        info = {"names": [ref.name for ref in request.images], "notes": [], "wanted": request.count,
                "found": request.count, "model": request.model}  # fmt: skip
        return rows, info, {}

    def _similarity(self, request):
        sizes = self.sizes(request.images)
        share = np.array([request.x, request.y]) / sizes[request.source]
        rows, maps = [], []
        for image, (ref, size) in enumerate(zip(request.images, sizes)):
            step = min(size) / GRID / request.dense
            shape = [int(side / step) for side in size]
            places = np.stack(
                np.meshgrid(*[(np.arange(n) + 0.5) * step - 0.5 for n in shape]), -1
            )  # (rows, columns, 2)
            away = np.linalg.norm((places - share * size) / step, axis=-1)
            values = (0.2 + 0.7 * np.exp(-((away / 4) ** 2))).astype("<f4")
            maps.append(dict(
                image=image, rows=shape[1], columns=shape[0], origin=[0.5 * step - 0.5] * 2, step=[step, step],
                values=base64.b64encode(values.tobytes()).decode(),
            ))  # fmt: skip
            x, y = share * size
            rows.append(dict(
                image=image, name=ref.name, x=x, y=y, similarity=0.9, runner_up_x=size[0] - x, runner_up_y=y,
                runner_up_similarity=0.6, confidence=0.75,
            ))  # fmt: skip
        info = {"maps": maps, "notes": [], "circles": []}
        if request.search_radius:
            middles = [share * size for size in sizes]
            info["circles"] = [
                dict(image=n, x=x, y=y, radius=request.search_radius / 100 * sizes[n][0])
                for n, (x, y) in enumerate(middles)
            ]
            info["untrained"] = [{**row, "x": row["x"] + 9, "confidence": 0.1} for row in rows]
        return rows, info, {}

    def _warp(self, request):
        """Every place of the second image is taken to the same share of the first, and 3 mm to the patient's left."""
        (_first, frame), (_second, other) = (read_nrrd_bytes(self.volumes[ref.sha256]) for ref in request.images)
        sizes, step = self.sizes(request.images), 8
        columns, rows = (-(-(side - 1) // step) + 1 for side in sizes[1])
        pixels = np.stack(np.meshgrid(np.arange(columns) * step, np.arange(rows) * step), -1)  # (rows, columns, 2)
        there = (pixels + 0.5) / sizes[1] * sizes[0] - 0.5
        world = [
            np.concatenate([p, 0 * p[..., :1], 1 + 0 * p[..., :1]], -1) @ m.T
            for p, m in ((there, frame), (pixels, other))
        ]
        vectors = (world[0] - world[1])[..., :3] * (-1, -1, 1) + (3.0, 0, 0)
        info = {
            "text": "40 of 52 point pairs used; median residual 1.1 % of the width; 0.00% of the image folds",
            "notes": [],
        }
        return [], info, {"displacement.nrrd": displacements(vectors, other @ np.diag([step, step, 1, 1]))}

    def _cosegment(self, request):
        files = {}
        for image, ref in enumerate(request.images):
            array, geometry = read_nrrd_bytes(self.volumes[ref.sha256])
            v, u = np.meshgrid(*(np.linspace(0, 1, side) for side in array.shape[1:]), indexing="ij")
            labels = np.zeros(array.shape, np.uint8)
            for number, (x, y, a, b) in enumerate(
                [(0.3, 0.5, 0.16, 0.3), (0.7, 0.5, 0.16, 0.3), (0.5, 0.55, 0.1, 0.2)]
            ):
                labels[0][((u - x) / a) ** 2 + ((v - y) / b) ** 2 < 1] = number + 1
            files[f"segmentation-{image}.nrrd"] = nrrd_bytes(labels, geometry)
        shares = {f"share_{image}": 0.2 for image in range(len(request.images))}
        rows = [
            dict(part=number + 1, name=name, colour=COLOURS[number], images=len(request.images), **shares)
            for number, name in enumerate(PARTS)
        ]
        return rows, {"parts": len(PARTS), "files": list(files), "elbow": [[2, 3.0], [3, 1.0]], "notes": []}, files

    def _patchmap(self, request):
        rows = []
        for image, (ref, size) in enumerate(zip(request.images, self.sizes(request.images))):
            for row in range(GRID):
                for column in range(GRID):
                    u, v = (column + 0.5) / GRID, (row + 0.5) / GRID
                    rows.append(dict(
                        image=image, name=ref.name, row=row, column=column, x=u * size[0] - 0.5, y=v * size[1] - 0.5,
                        u=30 * (u - 0.5) + 2 * np.sin(9 * v) + image, v=30 * (v - 0.5) + 2 * np.cos(7 * u),
                        colour=f"#{int(255 * u):02x}{int(255 * v):02x}{int(255 * (1 - u)):02x}",
                    ))  # fmt: skip
        return rows, {"method": request.method, "notes": []}, {}

    def _plane(self, request):
        return plane(self, request)

    def _landmarks(self, request):
        row = dict(landmark="all", group="all", pairs=2, patients=2)
        for measure, value in (("median", 2.0), ("within_cell", 0.5), ("mean", 4.0), ("mean_clipped", 3.0)):
            row |= {measure: value, f"{measure}_low": value / 2, f"{measure}_high": value * 1.5}
        rows = [{"model": model, **row} for model in (*request.models, "untrained")]
        verdict = {
            "text": "peac is better by median and mean than same coordinates: median 2.00 mm against 3.10 mm.",
            "good": True,
        }
        return rows, {"unit": "mm", "notes": [], "verdicts": [verdict]}, {}


def displacements(vectors: np.ndarray, ijkToRas: np.ndarray) -> bytes:
    """An NRRD file of vectors (rows, columns, 3) in mm, LPS, as the backend writes it."""
    lps = np.diag([-1, -1, 1, 1]) @ ijkToRas
    axes = " ".join("(" + ",".join(map(str, lps[:3, axis])) + ")" for axis in range(3))
    header = [
        "NRRD0004", "type: double", "dimension: 4", "space: left-posterior-superior",
        f"sizes: 3 {vectors.shape[1]} {vectors.shape[0]} 1", f"space directions: none {axes}",
        "kinds: vector domain domain domain", "endian: little", "encoding: raw",
        "space origin: (" + ",".join(map(str, lps[:3, 3])) + ")",
    ]  # fmt: skip
    return "\n".join(header).encode() + b"\n\n" + vectors.astype("<f8").tobytes()


def plane(server, request):
    """A 2D image of an uploaded volume: its mean along an axis, or a slice."""
    array, geometry = read_nrrd_bytes(server.volumes[request.volume.sha256])
    view = request.volume.view
    plane = array.mean(axis=1)[::-1] if view in ("frontal", "lateral") else array[int(view.partition(":")[2])]
    geometry = np.diag([-0.7, -0.7, 1.0, 1.0]) if view in ("frontal", "lateral") else geometry
    return [], {"view": view}, {"plane.nrrd": nrrd_bytes(plane[None].astype(np.int16), geometry)}
