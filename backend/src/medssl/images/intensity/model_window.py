"""The intensity window of a volume for a model: under the rule and for the modality that it was trained with."""

from __future__ import annotations

from medssl.core.errors import InputError
from medssl.core.plan import Channel, Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.images.volume import Volume, guess_modality


def channel_windows(volume: Volume, plan: Plan) -> list[tuple[float, float]]:
    """`intensity_window` of the volume and each of its further channels, under the rule of each."""
    others = zip(volume.further, plan.channels[1:], strict=True)
    return [intensity_window(volume, plan), *(_window(one, channel) for one, channel in others)]


def intensity_window(volume: Volume, plan: Plan) -> tuple[float, float]:
    """The stored intensities of `volume`, the first channel, that become 0 and 1 for this model.

    Raises:
        InputError: the volume's modality, as stated or as its values tell, is not the model's.
        VolumeError: a constant volume.
    """
    return _window(volume, Channel("", plan.modality, plan.normalisation))


def modality_for(volume: Volume, trained_on: str) -> str:
    """A volume's modality, or of one that states none the model's, unless that is MR and the voxels are plainly Hounsfield units."""
    if volume.modality:
        return volume.modality
    return "CT" if trained_on == "MR" and guess_modality(volume.array) == "CT" else trained_on


def _window(volume: Volume, channel: Channel) -> tuple[float, float]:
    modality = modality_for(volume, channel.modality)
    if channel.modality and modality != channel.modality:
        named = f", channel {channel.name}," if channel.name else ""
        raise InputError(
            f"{volume.name or 'volume'}{named} of modality {modality}",
            f"does not suit a model trained on {channel.modality}",
            f"Choose a {channel.modality} volume, or a model trained on {modality}",
            code="modality-mismatch",
        )
    name = volume.name or "volume"
    try:
        rule = resolve(NormalisationConfig(**channel.normalisation), modality, name)
        return window(rule, volume.statistics or compute(volume.array, modality), name)
    except InputError as error:  # its remedy is for a training: whoever uses a model cannot choose a normalisation
        raise InputError(error.value, error.rule, _remedy(channel), code=error.code) from error


def _remedy(channel: Channel) -> str:
    kind = {"CT": "a CT in Hounsfield units", "MR": "an MR volume"}.get(
        channel.modality, "an image such as the model was trained on"
    )
    return f"Choose {kind}, or a model that was trained on images like this one"
