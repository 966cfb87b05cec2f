"""Segmentation of whole images by a fine-tuned network."""

from __future__ import annotations

from medssl.inspection.sliding import segment_array

__all__ = ["segment_array"]
