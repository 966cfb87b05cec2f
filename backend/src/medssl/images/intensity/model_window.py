"""The intensity window of a volume for a model: under the rule and for the modality that it was trained with."""

from __future__ import annotations

from medssl.core.errors import InputError
from medssl.core.plan import Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.images.volume import Volume, guess_modality


def intensity_window(volume: Volume, plan: Plan) -> tuple[float, float]:
    """The stored intensities of `volume` that become 0 and 1 for this model.

    Raises:
        InputError: the volume's modality, as stated or as its values tell, is not the model's.
        VolumeError: a constant volume.
    """
    modality = volume.modality or _unstated_modality(volume, plan)
    if plan.modality and modality != plan.modality:
        raise InputError(
            f"{volume.name or 'volume'} of modality {modality}",
            f"does not suit a model trained on {plan.modality}",
            f"Choose a {plan.modality} volume, or a model trained on {modality}",
            code="modality-mismatch",
        )
    name = volume.name or "volume"
    try:
        rule = resolve(NormalisationConfig(**plan.normalisation), modality, name)
        return window(rule, compute(volume.array, modality), name)
    except InputError as error:  # its remedy is for a training: whoever uses a model cannot choose a normalisation
        raise InputError(error.value, error.rule, _remedy(plan), code=error.code) from error


def _remedy(plan: Plan) -> str:
    kind = {"CT": "a CT in Hounsfield units", "MR": "an MR volume"}.get(
        plan.modality, "an image such as the model was trained on"
    )
    return f"Choose {kind}, or a model that was trained on images like this one"


def _unstated_modality(volume: Volume, plan: Plan) -> str:
    """The modality of a volume that does not say: the model's, unless the voxels are plainly Hounsfield units."""
    return "CT" if plan.modality == "MR" and guess_modality(volume.array) == "CT" else plan.modality
