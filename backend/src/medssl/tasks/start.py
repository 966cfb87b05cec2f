"""What a task takes over from the weights that it begins with, beside the weights."""

from __future__ import annotations

from medssl.core.errors import ConfigError
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve
from medssl.networks.weights.weight_files import WeightFile


def check_form(form: str, axes: int) -> str:
    """What the network sees, "auto" resolved by the images' dimension.

    Raises:
        ConfigError: a form that these images do not have.
    """
    if form == "auto":
        return "3d" if axes == 3 else "2d"
    if axes == 2 and form != "2d":
        raise ConfigError(
            f"form = {form!r}", "needs volumes, and these images are 2D", "Take auto or 2d", code="form-of-volumes"
        )
    return form


def start_normalisation(config: NormalisationConfig, file: WeightFile | None, modality: str) -> NormalisationConfig:
    """The rule that the weights learnt with, unless the config names another.

    Raises:
        InputError: no rule fits the modality.
    """
    if config.kind == "auto" and file and file.plan.normalisation and file.plan.modality in ("", modality):
        return NormalisationConfig(**file.plan.normalisation)
    return resolve(config, modality)
