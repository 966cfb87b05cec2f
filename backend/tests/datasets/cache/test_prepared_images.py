"""Decoded images on the disk."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

from medssl.datasets.cache import prepared_images
from medssl.datasets.cache.prepared_images import no_room_for


def test_images_are_kept_only_where_there_is_room(tmp_path: Path, monkeypatch):
    free = namedtuple("Usage", "total used free")(0, 0, 10 * 5 * 100**2)
    monkeypatch.setattr(prepared_images.shutil, "disk_usage", lambda folder: free)
    assert no_room_for(tmp_path / "not" / "there", 9, 200) == ""
    assert "decoded in every epoch" in no_room_for(tmp_path, 21, 200)
