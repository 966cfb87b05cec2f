"""A backend in memory that knows the anatomy of phantom radiographs: equal places have equal shares of width and height."""

from __future__ import annotations

import base64
import json

import inference_fakes as fakes
import numpy as np
import slicer

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.core import requests as inspection_requests
from medssl.core.errors import NotFoundError
from medssl.core.protocol import ResultStatus, from_json

MODELS = [
    {"model": "20261123-peac-b2", "name": "radiographs", "method": "peac", "plan": {}, "created": 2.0},
    *fakes.MODELS,
]
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45")
GRID = 19  # cells along the short side
PARTS = ("part 1", "part 2", "part 3")
KINDS = {
    "correspond": inspection_requests.CorrespondRequest, "similarity": inspection_requests.SimilarityRequest,
    "cosegment": inspection_requests.CosegmentRequest, "patchmap": inspection_requests.PatchmapRequest,
    "plane": inspection_requests.PlaneRequest, "landmarks": inspection_requests.LandmarksRequest,
}  # fmt: skip


class RadiographBackend(fakes.FakeBackend):
    """Answers the comparisons of radiographs too.

    Attributes:
        asked: every request so far, as dataclasses.
        late: similarity questions are answered "later", to be polled.
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.models, self.asked, self.late = MODELS, [], False
        self._answer = None

    def answer(self, call) -> tuple[int, bytes]:
        kind = call.path.partition("?")[0].removeprefix("/inspect/")
        if kind not in KINDS or not call.path.startswith("/inspect/"):
            return super().answer(call)
        self.calls.append(f"{call.method} {call.path}")
        request = from_json(KINDS[kind], json.loads(call.body))
        self.asked.append(request)
        for ref in getattr(request, "images", ()):
            if ref.sha256 and ref.sha256 not in self.volumes:
                error = NotFoundError("volume", "was not uploaded", "Upload it first")
                return 404, json.dumps({"error": error.as_dict()}).encode()
        self._answer = lambda: getattr(self, f"_{kind}")(request)
        self.status, self._polled = ResultStatus("r1", kind, "queued"), 0
        if kind == "similarity" and not self.late and self.fails is None:
            self._finish()
        return self._told(202 if self.status.state == "queued" else 200)

    def _finish(self) -> None:
        if self._answer is None:
            super()._finish()
            return
        table, info, self.files = self._answer()
        self.status = ResultStatus("r1", self.status.kind, "finished", 1.0, "", tuple(self.files), tuple(table), info)

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
        return rows, {"maps": maps, "notes": []}, {}

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
        array, geometry = read_nrrd_bytes(self.volumes[request.volume.sha256])
        view = request.volume.view
        plane = array.mean(axis=1)[::-1] if view in ("frontal", "lateral") else array[int(view.partition(":")[2])]
        geometry = np.diag([-0.7, -0.7, 1.0, 1.0]) if view in ("frontal", "lateral") else geometry
        return [], {"view": view}, {"plane.nrrd": nrrd_bytes(plane[None].astype(np.int16), geometry)}

    def _landmarks(self, request):
        row = dict(landmark="all", group="all", pairs=2, patients=2, low=1.0, high=3.0, median=2.0, within_cell=0.9)
        rows = [{"model": model, "mean": 2.0, **row} for model in (*request.models, "untrained")]
        return rows, {"unit": "mm", "notes": []}, {}


def radiograph(name: str, size: tuple[int, int] = (120, 100), seed: int = 0, origin: float = 0.0):
    """A 2D volume node of a schematic chest, `size` columns and rows."""
    node = slicer.util.addVolumeFromArray(pixels(size, seed)[None], name=name)
    matrix = np.diag([-2.0, -2.0, 1.0, 1.0])
    matrix[:3, 3] = [size[0] + origin, size[1], 5.0 * origin]
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(3000, 1600)
    return node


def pixels(size: tuple[int, int], seed: int) -> np.ndarray:
    """(rows, columns) int16: body, two dark lungs, a heart, a spine, ribs."""
    v, u = np.meshgrid(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0]), indexing="ij")
    random = np.random.default_rng(seed)
    shift = random.uniform(-0.03, 0.03, 4)

    def ellipse(x, y, a, b):
        return ((u - x) / a) ** 2 + ((v - y) / b) ** 2 < 1

    image = np.where(ellipse(0.5, 0.6, 0.46, 0.75), 1800.0, 50.0)
    for x in (0.3 + shift[0], 0.7 + shift[1]):
        image[ellipse(x, 0.5, 0.16, 0.3)] = 700
    image[ellipse(0.54 + shift[2], 0.6, 0.13, 0.16)] = 2200
    image[np.abs(u - 0.5) < 0.03] += 500
    image[(np.sin(40 * v + 6 * np.abs(u - 0.5)) > 0.6) & ellipse(0.5, 0.5, 0.36, 0.36)] += 250
    return (image + random.normal(0, 40, image.shape)).clip(0, 4095).astype(np.int16)


def picture(name: str, grey: bool = True):
    """A vtkMRMLVectorVolumeNode, as Slicer makes of a PNG with three channels."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", name)
    image = np.repeat((pixels((60, 50), 0) // 16).astype(np.uint8)[None, ..., None], 3, axis=-1)
    if not grey:
        image[..., 0] = image[..., 0] // 2
    slicer.util.updateVolumeFromArray(node, image)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0])))
    node.CreateDefaultDisplayNodes()
    return node
