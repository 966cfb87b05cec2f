"""The parts of the module MedSSLInference."""

from __future__ import annotations

import MedSSLLib  # noqa: F401  # from here on `medssl` can be imported
