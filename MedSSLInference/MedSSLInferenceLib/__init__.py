"""What the module MedSSLInference is made of: the restore box, its requests, and the nodes and layout it leaves."""

from __future__ import annotations

import MedSSLLib  # noqa: F401  # from here on `medssl` can be imported
