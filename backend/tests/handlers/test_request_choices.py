"""Requests name the choices and bounds of what answers them: `core` may not import it, so both lists are compared here."""

from __future__ import annotations

import dataclasses

import pytest

from medssl.core import requests
from medssl.handlers.training_set import preview
from medssl.inference.classification.views import TEST_TIME
from medssl.inference.volumes.distorted_windows import NAMES
from medssl.inspection.anatomy import landmarks, patchmap
from medssl.inspection.saliency import maps
from medssl.inspection.search import case_images
from medssl.networks.weights.containers import PAIR


def rules(kind: type, name: str):
    return next(field for field in dataclasses.fields(kind) if field.name == name).metadata


@pytest.mark.parametrize(
    "kind, name, known",
    [
        (requests.RestoreRequest, "distortion", NAMES),
        (requests.PatchmapRequest, "method", patchmap.METHODS),
        (requests.SaliencyRequest, "method", maps.METHODS),
        (requests.LandmarksRequest, "unit", landmarks.UNITS),
        (requests.PredictRequest, "test_time", TEST_TIME),
        (requests.RetrieveRequest, "features", case_images.FEATURES),
        (requests.CorrespondRequest, "part", PAIR),
    ],
)
def test_choices(kind, name, known):
    assert rules(kind, name)["choices"] == tuple(known)


def test_most_samples_of_a_preview():
    assert rules(requests.PreviewRequest, "count")["maximum"] == preview.MOST
