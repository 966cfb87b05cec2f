from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent / name) for name in (".", "training")]  # closed_form, fakes
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Real images that lie beside some checkouts; tests on them skip elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no folder shared/data beside the repository: tests on real images are left out")
    return SHARED_DATA
