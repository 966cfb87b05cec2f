"""Distortions of self-supervision: draw parameters with an explicit generator, then apply them deterministically.

    params = LocalShuffle().draw(batch, generator)      # batch (N, C, *spatial) in 0…1, 2D or 3D, any device
    distorted = LocalShuffle().apply(batch, params)     # params[index] selects samples

Each draw decides for every sample; probabilities belong to `Sometimes`, `OneOf` and `Chain`.
"""

from medssl.distort.bezier import BezierIntensity
from medssl.distort.flip import Flip
from medssl.distort.paint import InPainting, OutPainting
from medssl.distort.params import Distortion, Params
from medssl.distort.pipeline import Chain, OneOf, Sometimes, describe
from medssl.distort.shuffle import LocalShuffle

__all__ = [
    "BezierIntensity",
    "Chain",
    "Distortion",
    "Flip",
    "InPainting",
    "LocalShuffle",
    "OneOf",
    "OutPainting",
    "Params",
    "Sometimes",
    "describe",
]
