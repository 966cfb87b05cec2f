"""A backend in memory that knows five cases of schematic chests, some of them in files of this computer."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from medssl.client.volumes import nrrd_bytes
from scaffold.phantoms import pixels
from scaffold.restoring import RestoreServer

ARK, PEAC = "20261123-ark-a1", "20261123-peac-b2"
MODELS = [
    {"model": ARK, "name": "six sets", "method": "ark", "plan": {"method": "ark"}, "created": 4.0},
    {"model": PEAC, "name": "chests", "method": "peac", "plan": {"method": "peac"}, "created": 3.0},
    {"model": "20261123-lungs", "name": "lungs", "method": "monai-segmenter", "created": 2.0,
     "plan": {"method": "monai-segmenter", "task": {"name": "segmentation", "segments": []}}},
]  # fmt: skip
FINDINGS = ("Pleural_Thickening, Mass, Effusion, Consolidation", "", "Mass", "Effusion, Edema", "")
DATASET_SPEC = {"name": "chests", "root": "/data/chests", "kind": "multi-label", "labels": ["Mass"]}


class CaseServer(RestoreServer):
    """Answers retrievals, planes and dataset specs too.

    Attributes:
        folder: where the cases' files lie.
        info: of the next answer, over the usual one.
    """

    def __init__(self, folder: Path, count: int = 5, **options) -> None:
        super().__init__(models=MODELS, **options)
        self.folder, self.info = folder, {}
        self.rows = [case_row(folder, rank) for rank in range(1, count + 1)]

    def _route(self, call, parts, query):
        return (200, DATASET_SPEC) if parts == ["dataset-specs", "read"] else super()._route(call, parts, query)

    def _retrieve(self, request):
        rows = self.rows[: request.count]
        files = {f"case-{row['rank']}.png": thumbnail(row["rank"]) for row in rows}
        usual = {"images": 755, "added": 755, "changed": 0, "index_s": 21.4, "query_ms": 0.8, "notes": []}
        return rows, {**usual, **self.info}, {"query.png": thumbnail(0), **files}

    def _plane(self, _request):
        return [], {}, {"plane.nrrd": nrrd_bytes(pixels((60, 50), 3)[None], np.diag([-1, -1, 1, 1.0]))}


def case_row(folder: Path, rank: int) -> dict:
    """A row of the result's table."""
    similarity = 0.99 - 0.02 * rank
    return {
        "rank": rank, "name": f"case_{rank}", "patient": f"0000{rank}", "path": str(folder / f"case_{rank}.nrrd"),
        "similarity": similarity, "distance": (2 - 2 * similarity) ** 0.5, "findings": FINDINGS[(rank - 1) % 5],
        "sex": "FM"[rank % 2], "age": 40.0 + rank, "Mass": float(rank in (1, 3)), "Effusion": float(rank in (1, 4)),
    }  # fmt: skip


def thumbnail(seed: int, size: tuple[int, int] = (180, 160)) -> bytes:
    """A small PNG of a schematic chest."""
    data = io.BytesIO()
    Image.fromarray((pixels(size, seed) // 16).clip(0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def write_cases(folder: Path, ranks) -> None:
    """Files of some of the cases, with numbered names as such sets have them."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in ranks:
        array = pixels((120, 100), rank)[None]
        (folder / f"case_{rank}.nrrd").write_bytes(nrrd_bytes(array, np.diag([-1, -1, 1, 1.0])))
