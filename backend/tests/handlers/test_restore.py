"""A restoration request leaves images in their place, a picture and a table."""

from __future__ import annotations

import numpy as np
import pytest
from asking import Context, ask
from inspection_fakes import Identity, make_ct
from PIL import Image
from refusals import refused

from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume


def test_inspection_writes_files_and_finishes(tmp_path):
    ct = make_ct()
    context = Context(tmp_path, ct, Identity())
    request = {
        "volume": {"path": "scan.nrrd"},
        "model": "job-1",
        "distortion": "inpaint",
        "roi": [[0, 20], [0, 20], [0, 10]],
    }
    ask("restore", request, context)
    assert set(context.found.files) == {
        *(f"{n}.nrrd" for n in ("original", "distorted", "restored", "error")),
        "montage.png",
        "table.csv",
    }
    for name in ("original", "error"):
        written: Volume = read_volume(context.folder / f"{name}.nrrd")
        assert written.shape == (20, 20, 10)
        assert written.ijk_to_ras == pytest.approx(ct.ijk_to_ras)
    assert np.array_equal(read_volume(context.folder / "original.nrrd").array, ct.array[:20, :20, :10])
    assert b"encoding: raw" in (context.folder / "original.nrrd").read_bytes()[:1000]
    assert Image.open(context.folder / "montage.png").format == "PNG"
    assert context.found.info["model"] == "job-1" and context.found.info["window"] == [-1000, 1000]
    assert [row["image"] for row in context.found.table] == ["distorted", "restored", "constant mean"]


def test_inspection_of_an_unknown_request_field(tmp_path):
    with refused("field-unknown"):
        ask("restore", {"volume": {"path": "a"}, "model": "m", "strenght": 1}, Context(tmp_path))
