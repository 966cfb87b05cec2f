"""A backend in memory for the tests of MedSSLInference, and a phantom volume to restore."""

from __future__ import annotations

import json

import numpy as np
import qt
import slicer
import vtk
from MedSSLLib.widgets.signal import Signal

from medssl.client.backend import ServerAddress
from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.core.errors import InputError, MedSSLError
from medssl.core.protocol import ResultStatus, from_json, to_json
from medssl.core.requests import RestoreRequest

MODELS = [
    {"model": "20261123-genesis-a1", "name": "chest run", "method": "genesis", "plan": {}, "created": 1.0},
    {"model": "/models/other.safetensors", "name": "other", "method": "genesis", "plan": {}, "created": 0.0},
]
DEVICE = {
    "name": "cpu",
    "description": "2 cores",
    "memory_bytes": 8e9,
    "free_bytes": 6e9,
    "available": True,
    "note": "",
}


class FakeBackend:
    """Answers the calls of `medssl.client.api` as the server does, over real requests and answers.

    Attributes:
        polls: how often a result reads as running before it is finished; None: until it is cancelled.
        fails: the error that a restoration ends with, or None.
        calls: "METHOD path" of every call so far.
    """

    def __init__(self, polls: int | None = 2, fails: MedSSLError | None = None) -> None:
        self.polls, self.fails, self.calls, self.models = polls, fails, [], MODELS
        self.volumes: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.request, self.status = None, None

    def answer(self, call) -> tuple[int, bytes]:
        """HTTP status and body."""
        self.calls.append(f"{call.method} {call.path}")
        parts = call.path.strip("/").split("/")
        if parts[0] == "models":
            return 200, json.dumps(self.models).encode()
        if parts[0] == "devices":
            return 200, json.dumps([DEVICE]).encode()
        if parts[0] == "volumes":
            return self._volume(call, parts[1])
        if call.path == "/inspect/restore":
            self.request = from_json(RestoreRequest, json.loads(call.body))
            self.status, self._polled = ResultStatus("r1", "restore", "queued"), 0
            return self._told(202)
        if call.path.endswith("/cancel"):
            self.status = ResultStatus("r1", "restore", "cancelled")
        elif parts[0] == "results" and len(parts) == 3:
            return 200, self.files[parts[2]]
        else:
            self._advance()
        return self._told(200)

    def _volume(self, call, sha256: str) -> tuple[int, bytes]:
        if call.method == "HEAD":
            return (200 if sha256 in self.volumes else 404), b""
        self.volumes[sha256] = self.volumes.get(sha256, b"") + call.body
        return 201, b""

    def _told(self, status: int) -> tuple[int, bytes]:
        return status, json.dumps(to_json(self.status)).encode()

    def _advance(self) -> None:
        if self.status.state in ("cancelled", "finished", "failed"):
            return
        self._polled += 1
        if self.polls is None or self._polled <= self.polls:
            share = 0.4 if self.polls is None else self._polled / (self.polls + 1)
            self.status = ResultStatus("r1", "restore", "running", share, "Window 4 of 9")
        elif self.fails is not None:
            self.status = ResultStatus("r1", "restore", "failed", error=self.fails.as_dict())
        else:
            self._finish()

    def _finish(self) -> None:
        array, geometry = read_nrrd_bytes(self.volumes[self.request.volume.sha256])
        original = array.astype(np.float32)
        if self.request.roi is not None:
            original = original[tuple(slice(*bounds) for bounds in reversed(self.request.roi))]
        images = distort_and_restore(original)
        self.files = {f"{name}.nrrd": nrrd_bytes(image, geometry) for name, image in images.items()}
        guesses = {"distorted": images["distorted"], "restored": images["restored"], "constant mean": original.mean()}
        table = tuple(metrics(name, guess - original) for name, guess in guesses.items())
        info = {"window": [-1000.0, 1000.0], "model": self.request.model, "distortion": self.request.distortion}
        self.status = ResultStatus("r1", "restore", "finished", 1.0, "", tuple(self.files), table, info)


def distort_and_restore(original: np.ndarray) -> dict[str, np.ndarray]:
    """A stand-in for distortion and model: noise outside the middle, and a blend back to the original."""
    noise = np.random.default_rng(0).uniform(-1000, 1000, original.shape).astype(np.float32)
    kept = tuple(slice(side // 4, side - side // 4) for side in original.shape)
    distorted = noise.copy()
    distorted[kept] = original[kept]
    restored = original + 0.12 * (distorted - original)
    error = np.abs(restored - original)
    return {"original": original, "distorted": distorted, "restored": restored, "error": error}


def metrics(name: str, difference: np.ndarray) -> dict:
    """A row of the metrics table, on the scale 0...1."""
    mse = float(np.mean((difference / 2000) ** 2))
    return {"image": name, "mse": mse, "psnr": -10 * float(np.log10(mse)), "ssim": float(np.exp(-30 * mse))}


class FakeTransport:
    """Asynchronous, as the panels' Qt transport: the answer comes from the event loop."""

    address = ServerAddress("http://127.0.0.1:8765", "token")

    def __init__(self, backend: FakeBackend) -> None:
        self.backend, self.broken = backend, None

    def send(self, call, onAnswer, onError) -> None:
        def reply() -> None:
            try:
                if self.broken is not None:
                    raise self.broken
                answer = call.parse(*self.backend.answer(call))
            except MedSSLError as error:
                onError(error)
            else:
                onAnswer(answer)

        qt.QTimer.singleShot(0, reply)

    def close(self) -> None:
        """Nothing is open."""


class FakeProcess:
    """As BackendProcess: what the backend box watches."""

    def __init__(self) -> None:
        self.changed, self.state, self.transport, self.error = Signal(), "down", None, None

    def watch(self) -> None:
        """The test says when something changes."""

    unwatch = watch

    def set(self, transport, error=None) -> None:
        """The backend came up (a transport) or went down (None)."""
        self.state, self.transport, self.error = ("up" if transport else "down"), transport, error
        self.changed.emit()


class BlockingTransport:
    """As the `requests` transport: the answer is returned."""

    address = ServerAddress("http://127.0.0.1:8765", "token")

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend

    def send(self, call):
        return call.parse(*self.backend.answer(call))


def phantom(name: str = "phantom", shape: tuple[int, int, int] = (96, 80, 48), oblique: bool = False):
    """A volume node with a schematic chest in HU, `shape` voxels along i, j, k."""
    node = slicer.util.addVolumeFromArray(phantom_voxels(shape), name=name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry(oblique)))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(1600, -200)
    return node


def phantom_voxels(shape: tuple[int, int, int]) -> np.ndarray:
    """HU, indexed [k, j, i]: a body with two lungs, a heart, a spine, ribs and vessels."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, side) for side in reversed(shape)), indexing="ij")

    def ellipsoid(x, y, z, a, b, c):
        return ((i - x) / a) ** 2 + ((j - y) / b) ** 2 + ((k - z) / c) ** 2 < 1

    random = np.random.default_rng(1)
    voxels = np.full(i.shape, -1000.0)
    voxels[(i / 0.92) ** 2 + (j / 0.75) ** 2 < 1] = 40.0
    ribs = np.abs((i / 0.80) ** 2 + (j / 0.64) ** 2 - 1) < 0.07
    voxels[ribs & (np.sin(9 * k + 3 * j) > 0.5)] = 500.0
    for side in (-1, 1):
        voxels[ellipsoid(0.42 * side, 0.0, 0.0, 0.30, 0.50, 1.1)] = -850.0
    for x, y, z in random.uniform((-0.6, -0.4, -1), (0.6, 0.4, 1), (40, 3)):
        vessel = ellipsoid(x, y, z, 0.03, 0.04, 0.25)
        voxels[vessel & (voxels < -800)] = -100.0
    voxels[ellipsoid(0.08, -0.15, 0.0, 0.28, 0.32, 0.6)] = 120.0
    voxels[ellipsoid(0.0, 0.52, 0.0, 0.14, 0.14, 2.0)] = 400.0
    return (voxels + random.normal(0, 12, voxels.shape)).astype(np.int16)


def geometry(oblique: bool) -> np.ndarray:
    """IJK-to-RAS: an LPS scan as scanners give it, or one turned about two axes."""
    spacing = np.diag([3.5, 3.5, 5.0])
    turn = np.diag([-1.0, -1.0, 1.0])
    if oblique:
        a, b = 0.35, -0.2
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
        turn = about_z @ about_x @ turn
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn @ spacing, [140.0, 120.0, -300.0]
    return matrix


def ijk_to_ras(node) -> np.ndarray:
    """The node's matrix as an array."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


WRONG = InputError("phantom: 20 x 20 x 4 voxels", "are fewer than a cube of the model", "Choose a larger region")
