"""Images that cannot be shown to a network, found when they are read and not when a test ends the training."""

from __future__ import annotations

from collections.abc import Callable

from medssl.datasets.cache.cached_volume import CachedVolume, check_varies
from medssl.images.borders import check_box
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import window

Rule = Callable[[str], NormalisationConfig]  # modality -> how its images are normalised


def check_whole_image(image: CachedVolume, rule: Rule | None = None) -> None:
    """Refuse an image that no classification can look at as a whole.

    Raises:
        VolumeError: it is constant, or a radiograph too small, too long or, by the rule, without contrast.
        InputError: the rule does not fit it.
    """
    check_varies(image)
    if len(image.shape) == 2:
        check_box(image.box, image.name)
    if rule is not None:
        window(rule(image.modality), image.statistics, image.name)
