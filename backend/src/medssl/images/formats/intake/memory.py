"""How large an image may be that is read here."""

from __future__ import annotations

import os

import psutil

from medssl.core.allocator import container_memory
from medssl.core.errors import ConfigError

SETTING = "MEDSSL_LARGEST_IMAGE_GIB"  # environment; unset: what memory is free


def most_bytes() -> int:
    """Bytes that an image may take: those that are free, within what a container allows, and no more than the setting.

    Raises:
        ConfigError: the setting is no number above 0.
    """
    free = psutil.virtual_memory().available
    if container := container_memory():
        free = min(free, max(0, container[0] - container[1]))
    stated = os.environ.get(SETTING, "")
    if not stated:
        return free
    try:
        most = float(stated) * 2**30
    except ValueError:
        most = 0.0
    if not most > 0:
        raise ConfigError(
            f"{SETTING} = {stated!r}",
            "is no number above 0",
            "State gibibytes, for example 8",
            code="setting-out-of-range",
        )
    return int(min(free, most))
