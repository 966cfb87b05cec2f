"""Panels with several images per case."""

from __future__ import annotations

from scaffold.finetune_panel import tuning, two  # noqa: F401
