"""What comparing the checksum of packed voxels costs, in CPU seconds, beside the reading that follows; and what a child would.

python backend/benchmarks/checksums.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from medssl.images.formats.header import inspect_image
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume

SHAPE, TURNS = (256, 256, 160), 3


def seconds(action: Callable[[], object]) -> float:
    """CPU seconds, the least of some turns."""
    taken = []
    for _ in range(TURNS):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print a line for each format."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(0, 1200, SHAPE), 1.5)
    array = (smooth + rng.normal(0, 12, SHAPE)).astype(np.int16)  # packs like a CT
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.nrrd", "a.nii.gz", "a.mha"):
            path = Path(folder) / name
            write_volume(Volume(array), path)
            verify, read = seconds(lambda: inspect_image(path).verify()), seconds(lambda: read_volume(path))  # noqa: B023
            print(
                f"{name}: {array.nbytes / 1e6:.0f} MB, {verify:.2f} s ({array.nbytes / 1e6 / verify:.0f} MB/s) of a reading of {read:.2f} s"
            )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-c", "import medssl.images.formats.image_files"], check=True)
    print(f"a child that can read: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before:.2f} s")


if __name__ == "__main__":
    main()
