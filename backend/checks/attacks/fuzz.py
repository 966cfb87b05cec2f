"""Foreign files of every kind, mutated for as long as one likes, each read in a child with limits of memory and time.

    python backend/checks/attacks/fuzz.py [--seconds 60] [--keep FOLDER] [KIND ...]

For each kind (those of mutated_files.py, DICOM plain, deflated and RLE, checkpoints, dataset specs, bodies of requests to the server)
prints how many mutants were read and refused. Ends with status 1 where anything else came out: another error than one of ours, a child that died, no answer within
10 s, or more memory than the limit and 512 MiB. Such mutants are kept in FOLDER, for the corpus of the tests.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from mutated_files import KINDS, Kind, mended, mutant
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless
from schemathesis_run import HEADERS, make_app

from medssl.core.errors import InputError, MedSSLError

HANG_S, LIMIT_GIB, EXTRA = 10.0, 0.25, 512 * 2**20
ODD = (
    b"0",
    b"-1",
    b"1e308",
    b"nan",
    b"inf",
    b"4294967295",
    b"99999999999999999999",
    b"1e-300",
    b"2147483648",
    b"",
    b"%n%s",
)
NUMBER = re.compile(rb"-?\d+(\.\d+)?")


def _dicom(syntax: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 900, (20, 24)).astype(np.uint16)
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "1.2.3.4"
        image.Modality, image.PatientID, image.SeriesInstanceUID = "CT", "P7", "1.2.3"
        image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = 20, 24, 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.RescaleSlope, image.RescaleIntercept = [0.7, 0.7], 1, -1024
        image.PixelData = pixels.tobytes()
        if syntax == RLELossless:
            image.compress(RLELossless)
        image.file_meta.TransferSyntaxUID = syntax
        image.save_as(path, enforce_file_format=True)

    return make


def _torch(path: Path) -> None:
    import torch

    torch.save({"state_dict": _small_network(), "epoch": 3}, path)


def _safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(_small_network(), path)


def _small_network() -> dict[str, Any]:
    """Tensors of a layout that is known."""
    import torch

    from medssl.networks.unet3d import UNet3D

    torch.manual_seed(0)
    return {name: tensor.contiguous() for name, tensor in UNet3D(2).state_dict().items()}


def _weights(path: Path) -> object:
    from medssl.networks.weights.weight_files import open_weights

    return open_weights(path)


def _spec(path: Path) -> None:
    from medssl.datasets.spec.spec_files import template

    path.write_text(template(), encoding="utf-8")


def _read_spec(path: Path) -> object:
    from medssl.datasets.spec.spec_files import read_dataset_spec

    return read_dataset_spec(path)


class Body:
    """The body of a POST to a server over a home of its own; what it would start is left out."""

    def __init__(self, route: str, body: dict[str, Any]) -> None:
        self._route, self._body = route, body

    def make(self, path: Path) -> None:
        """The sound body."""
        path.write_text(json.dumps(self._body), encoding="utf-8")

    def read(self, path: Path) -> object:
        """Send it."""
        home = path.parent / "home"
        answer = _client(home).post(
            self._route, content=path.read_bytes(), headers=HEADERS | {"Content-Type": "application/json"}
        )
        shutil.rmtree(home / "jobs", ignore_errors=True)
        if 400 <= answer.status_code < 500:
            error = answer.json()["error"]
            raise InputError(error["value"], error["rule"], error["remedy"], code=error["code"])
        if answer.status_code >= 500:
            raise RuntimeError(answer.text[:150])
        return answer


@cache
def _client(home: Path) -> Any:
    from fastapi.testclient import TestClient

    return TestClient(make_app(home), raise_server_exceptions=False)


JOB = Body("/jobs", {
    "kind": "pretrain", "method": "genesis", "name": "any name that comes to mind", "device": "cpu", "config": {"cube": [32, 32, 32], "training": {"steps": 10}},
    "data": {"volumes": [{"path": __file__, "modality": "CT"}], "modality": "CT", "validation_fraction": 0.2},
})  # fmt: skip
ASK = Body("/inspect/restore?wait=0", {
    "volume": {"path": __file__, "modality": "CT"}, "model": "a.safetensors", "device": "cpu", "roi": [[0, 10], [0, 20], [0, 30]],
})  # fmt: skip

ALL = (
    *KINDS,
    Kind("plain.dcm", _dicom(ExplicitVRLittleEndian)), Kind("deflated.dcm", _dicom(DeflatedExplicitVRLittleEndian)),
    Kind("rle.dcm", _dicom(RLELossless)), Kind("checkpoint.pt", _torch, _weights), Kind("model.safetensors", _safetensors, _weights),
    Kind("set.yaml", _spec, _read_spec), Kind("job.json", JOB.make, JOB.read), Kind("ask.json", ASK.make, ASK.read),
)  # fmt: skip


def odd_number(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of a text header replaced by one that no header should hold."""
    found = list(NUMBER.finditer(data[:4000]))
    if not found:
        return data
    at = found[int(rng.integers(len(found)))]
    return data[: at.start()] + ODD[int(rng.integers(len(ODD)))] + data[at.end() :]


def mutate(sound: bytes, name: str, rng: np.random.Generator) -> bytes:
    """One mutant, of the bytes or of what is packed in them, some with an odd number."""
    inside = sound[:2] == b"\x1f\x8b" and rng.random() < 0.7
    data = gzip.decompress(sound) if inside else sound
    data = odd_number(data, rng) if rng.random() < 0.4 else mutant(data, rng)
    data = mended(data) if name.endswith(".png") and rng.random() < 0.8 else data
    return gzip.compress(data, 1) if inside else data


def serve(pipe: Connection, name: str) -> None:
    """In the child: read each file that is named, and answer with what came out and how much memory was ever used."""
    import resource

    warnings.simplefilter("ignore")
    os.environ["MEDSSL_LARGEST_IMAGE_GIB"] = str(LIMIT_GIB)
    kind = next(one for one in ALL if one.name == name)
    while (text := pipe.recv()) is not None:
        path = Path(text)
        try:
            kind.read(path)
            answer = "read"
        except MedSSLError as error:
            answer = "refused" if path.parent.name != "sound" else str(error)
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"[:200]
        pipe.send((answer, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


class Child:
    """A process that reads mutants of one kind; a new one is started where it died or hangs."""

    def __init__(self, name: str) -> None:
        self._name, self._process = name, None

    def read(self, path: Path, sound: Path) -> str:
        """What came out of the mutant."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs, self._name), daemon=True)
            self._process.start()
            self._pipe.send(str(sound))  # imports, and what a sound file takes
            came, self._base = self._pipe.recv()
            if came != "read":
                raise AssertionError(f"the sound {sound.name} is not read: {came}")
        self._pipe.send(str(path))
        end = time.monotonic() + HANG_S
        while not self._pipe.poll(0.05):
            if not self._process.is_alive():
                return self._ended(f"DIED with {self._process.exitcode}")
            if time.monotonic() > end:
                return self._ended(f"HANGS for {HANG_S:g} s")
        answer, used = self._pipe.recv()
        if used - self._base > LIMIT_GIB * 2**30 + EXTRA:
            return self._ended(f"MEMORY {(used - self._base) / 2**20:.0f} MiB")
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._ended("")

    def _ended(self, why: str) -> str:
        self._process.kill()
        self._process.join()
        self._process = None
        return why


def fuzz(kind: Kind, seconds: float, keep: Path | None, seed: int) -> Counter[str]:
    """How often each came out; what should not is kept."""
    found, rng, child = Counter[str](), np.random.default_rng(seed), Child(kind.name)
    with tempfile.TemporaryDirectory() as folder:
        path, sound = Path(folder) / kind.name, Path(folder) / "sound" / kind.name
        sound.parent.mkdir()
        kind.make(sound)
        kind.make(path)
        data, end = sound.read_bytes(), time.monotonic() + seconds
        while time.monotonic() < end:
            path.write_bytes(mutate(data, kind.name, rng))
            answer = child.read(path, sound)
            if answer not in ("read", "refused") and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep / f"{sum(found.values())}-{kind.name}")
            found[answer] += 1
    child.close()
    return found


def main(arguments: list[str]) -> int:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("kinds", nargs="*")
    options = parser.parse_args(arguments)
    wrong = 0
    for kind in ALL:
        if options.kinds and kind.name not in options.kinds:
            continue
        found = fuzz(kind, options.seconds, options.keep, options.seed)
        read, refused = found.pop("read", 0), found.pop("refused", 0)
        wrong += sum(found.values())
        print(f"{kind.name:18} read {read:6}  refused {refused:6}  other {sum(found.values())}", flush=True)
        for words, times in found.most_common(8):
            print(f"    {times} x {words}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
