"""A saliency request leaves the map in the image's place, a picture, and what made it."""

from __future__ import annotations

import numpy as np
import pytest
from asking import Context, ask
from planted import ark, as_volume, planted

from medssl.images.formats.reading import read_volume
from medssl.inspection.saliency.randomisation_check import LIMIT


def test_the_answer_is_a_map_a_picture_and_what_made_it(tmp_path):
    image = as_volume(planted(6)[0], spacing=np.array([0.5, 0.25, 1.0]), origin=np.array([10.0, -20.0, 30.0]))
    context = Context(tmp_path, image, ark())
    asked = {"volume": {"path": "x.png", "name": "Röntgen"}, "model": "m", "finding": "Mass", "head": "second"}
    ask("saliency", asked, context)
    info = context.found.info
    assert info["head"] == "second" and info["finding"] == "Mass" and info["method"] == "grad-cam"
    assert info["passed"] == (info["similarity"] < LIMIT) and 0 <= info["similarity"] <= 1
    assert info["text"].startswith("Integrated Grad-CAM") and info["volume"] == "Röntgen"
    assert context.fractions == sorted(context.fractions) and context.fractions[-1] < 1
    written = read_volume(context.folder / "saliency.nrrd")
    assert written.shape[:2] == image.shape and written.array.max() == pytest.approx(1, abs=0.1)
    assert written.spacing[:2] == pytest.approx([0.5, 0.25]) and written.origin[:2] == pytest.approx([10, -20])
    assert (context.folder / "montage.png").stat().st_size > 1000
    ask("saliency", {**asked, "check": False}, context)
    assert "similarity" not in context.found.info and "random" not in context.found.info["text"]
