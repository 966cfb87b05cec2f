"""Refusals as tests compare them: the code of an error and the values it must name, never its wording."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from medssl.core.errors import MedSSLError


@contextlib.contextmanager
def refused(code: str, names: str | Sequence[str] = ()) -> Iterator[pytest.ExceptionInfo[MedSSLError]]:
    """A context that must raise the error of this code.

    Args:
        code: see the section Errors of docs/reference.md; it belongs to one class of errors, bar a few.
        names: what the message must contain: numbers, files and names that the user gave, not prose.
    """
    with pytest.raises(MedSSLError) as caught:
        yield caught
    error = caught.value
    assert error.code == code, f"code {error.code!r} instead of {code!r}: {error}"
    for name in [names] if isinstance(names, str) else names:
        assert name in str(error)
