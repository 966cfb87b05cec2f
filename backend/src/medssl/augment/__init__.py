"""Random changes of training images and their label maps: drawn from a generator first, then applied, whole batches at once.

    changes = Augmentation("strong", axes=3)
    images, masks = changes.apply(images, masks, changes.draw(images, generator))     # (N, C, *spatial), (N, 1, *spatial)

What self-supervision distorts is in `distort`, whose way of drawing and applying this shares.
"""

from medssl.augment.augmentation import Augmentation, mirrors
from medssl.augment.blur import Blur
from medssl.augment.intensity import Brightness, Contrast, Gamma, Noise
from medssl.augment.resolution import LowResolution
from medssl.augment.warp import Warp

__all__ = ["Augmentation", "Blur", "Brightness", "Contrast", "Gamma", "LowResolution", "Noise", "Warp", "mirrors"]
