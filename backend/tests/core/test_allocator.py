"""Memory that was given back is kept, or returned, as asked."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CHILD = """
import resource, sys
from medssl.core.allocator import keep_memory, return_memory
def taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        b"1" * 2**26
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 2**26
for change in (keep_memory, lambda: return_memory(above=2**20), keep_memory):
    change()
    b"1" * 2**26
    print(taken())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's")
def test_memory_is_kept_or_returned_as_asked():
    said = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout
    kept, returned, kept_again = (float(line) for line in said.split())
    assert kept < 0.5 and kept_again < 0.5, "ten arrays take the place of the first one"
    assert returned > 5, "each is new"
