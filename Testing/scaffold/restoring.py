"""A backend in memory that restores: distortion and model are noise and a blend back to the original."""

from __future__ import annotations

import numpy as np

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.core.errors import InputError
from medssl.evaluation.verdicts import of_restoration
from scaffold.server import FakeServer

GENESIS, OTHER = "20261123-genesis-a1", "/models/other.safetensors"
MODELS = [
    {"model": GENESIS, "name": "chest run", "method": "genesis", "plan": {}, "created": 1.0},
    {"model": OTHER, "name": "other", "method": "genesis", "plan": {}, "created": 0.0},
]
WRONG = InputError("phantom: 20 x 20 x 4 voxels", "are fewer than a sub-volume of the model", "Choose a larger region")


class RestoreServer(FakeServer):
    """Answers restorations."""

    def __init__(self, models=MODELS, **options) -> None:
        super().__init__(models=models, **options)

    def _restore(self, request):
        array, geometry = read_nrrd_bytes(self.volumes[request.volume.sha256])
        original = array.astype(np.float32)
        if request.roi is not None:
            original = original[tuple(slice(*bounds) for bounds in reversed(request.roi))]
        images = distort_and_restore(original)
        guesses = {"distorted": images["distorted"], "restored": images["restored"], "constant mean": original.mean()}
        table = [metrics(name, guess - original) for name, guess in guesses.items()]
        info = {"window": [-1000.0, 1000.0], "model": request.model, "distortion": request.distortion, **said(table)}
        return table, info, {f"{name}.nrrd": nrrd_bytes(image, geometry) for name, image in images.items()}


def distort_and_restore(original: np.ndarray) -> dict[str, np.ndarray]:
    """A stand-in for distortion and model: noise outside the middle, and a blend back to the original."""
    noise = np.random.default_rng(0).uniform(-1000, 1000, original.shape).astype(np.float32)
    kept = tuple(slice(side // 4, side - side // 4) for side in original.shape)
    distorted = noise.copy()
    distorted[kept] = original[kept]
    restored = original + 0.12 * (distorted - original)
    error = np.abs(restored - original)
    return {"original": original, "distorted": distorted, "restored": restored, "error": error}


def said(table: list[dict]) -> dict:
    """The verdict, as the backend words it."""
    verdict = of_restoration(table)
    return {"verdict": verdict.text, "good": verdict.good}


def metrics(name: str, difference: np.ndarray) -> dict:
    """A row of the metrics table, on the scale 0...1."""
    mse = float(np.mean((difference / 2000) ** 2))
    return {"image": name, "mse": mse, "psnr": -10 * float(np.log10(mse)), "ssim": float(np.exp(-30 * mse))}
