"""Files that run code, or hold other things than weights: refused by name; what is inert may stand beside weights."""

from __future__ import annotations

import argparse
import builtins
import collections
import datetime
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import saved, weights
from refusals import refused

from medssl.core.errors import MedSSLError
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import inspect_weights, open_weights


class Marked:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple]:
        return self.call


class Settings:
    """A class of somebody's own program."""

    def __init__(self) -> None:
        self.rate = 0.1


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), "system"),
        (builtins.eval, ("open({!r}, 'w')",), "eval"),
        (builtins.exec, ("open({!r}, 'w')",), "exec"),
        (builtins.getattr, (os, "system"), "getattr"),
        (subprocess.run, (["touch", "{}"],), "run"),
        (pathlib.Path.touch, (Path("a"),), "getattr"),
        (np.load, ("{}",), "numpy"),
        (torch.load, ("{}",), "torch.serialization.load"),
        (__import__, ("os",), "__import__"),
    ],
)
def test_code_is_named_and_never_runs(tmp_path: Path, function: Any, arguments: tuple, named: str, old: bool):
    mark = tmp_path / "ran"
    filled = tuple(one.format(str(mark)) if isinstance(one, str) else one for one in arguments)
    if function is builtins.getattr:
        filled = (Settings, "__init__")
    path = saved(tmp_path / "a.pt", {**weights(), "args": Marked(function, *filled)}, old)
    with refused("weights-unsafe", names=["a.pt", named]):
        open_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["Settings", "model"])
def test_a_class_of_somebodys_own_and_a_pickled_module_are_named(tmp_path: Path, name: str):
    path = saved(tmp_path / "a.pt", {**weights(), "args": Settings()} if name == "Settings" else UNet3D(2))
    with refused("weights-unsafe", names="Settings" if name == "Settings" else "medssl.networks.unet3d"):
        open_weights(path)


def test_a_name_that_stands_where_an_inert_one_may_is_not_called(tmp_path: Path):
    """What is allowed becomes a placeholder: its arguments, here a command, are forgotten."""
    mark = tmp_path / "ran"
    content = Marked(os.system, f"touch {mark}")
    raw = pickle.dumps({"state_dict": {}, "x": content}, protocol=2)
    for old, new in ((b"posix", b"argparse"), (b"nt", b"argparse")):
        raw = raw.replace(b"c" + old + b"\nsystem\n", b"c" + new + b"\nNamespace\n")
    (tmp_path / "a.pt").write_bytes(raw)
    with pytest.raises(MedSSLError):
        open_weights(tmp_path / "a.pt")
    assert not mark.exists()


INERT = {
    "namespace": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), nested=argparse.Namespace(a=[1])),
    "path": pathlib.Path("runs") / "a",
    "pure": [pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c:\\a")],
    "scalar": {"float": np.float64(0.5), "int": np.int64(3), "bool": np.bool_(True), "f4": np.float32(1)},
    "array": {"history": np.arange(4.0), "ids": np.array([1, 2]), "empty": np.zeros((0, 3)), "bytes": np.array([b"a"])},
    "dtype": [np.dtype("float32"), np.float32],
    "ordered": collections.OrderedDict(a=1),
    "default": collections.defaultdict(list, a=[1]),
    "date": datetime.datetime(2024, 1, 2),
    "types": {
        "size": torch.Size([1, 2]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "set": {1, 2},
        "bytes": b"a",
    },
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", INERT)
def test_what_cannot_do_anything_may_stand_beside_the_weights(tmp_path: Path, kind: str, old: bool):
    path = saved(tmp_path / "a.pt", {**weights(), "beside": INERT[kind], kind: INERT[kind]}, old)
    assert inspect_weights(path)[1].complete


@pytest.mark.parametrize("module", ["pathlib", "pathlib._local"])
@pytest.mark.parametrize("name", ["PosixPath", "WindowsPath"])
def test_paths_of_every_system_and_python_are_read_on_every_system(tmp_path: Path, name: str, module: str):
    raw = pickle.dumps(pathlib.PurePosixPath("a"), protocol=2)
    assert b"cpathlib" in raw
    content = saved(tmp_path / "a.pt", {**weights(), "path": pathlib.PurePosixPath("a")})
    changed = io.BytesIO()
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(changed, "w") as target:
        for one in source.namelist():
            data = source.read(one)
            target.writestr(one, data.replace(b"cpathlib\nPurePosixPath\n", f"c{module}\n{name}\n".encode()))
    content.write_bytes(changed.getvalue())
    assert f"{module}\n{name}".encode() in changed.getvalue() and inspect_weights(content)[1].complete


def test_names_of_numpy_1_and_2_are_read(tmp_path: Path):
    content = saved(tmp_path / "a.pt", {**weights(), "lr": np.float64(1), "curve": np.arange(3)}, old=True)
    raw = content.read_bytes()
    assert b"numpy._core" in raw or b"numpy.core" in raw
    for old, new in ((b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")):
        content.write_bytes(raw.replace(old, new))
        assert inspect_weights(content)[1].complete


def test_settings_of_omegaconf_are_read_where_its_package_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As Hydra's programs save them; the classes are made here under its names."""
    modules = {name: type(sys)(name) for name in ("omegaconf", "omegaconf.dictconfig")}
    kind = type("DictConfig", (), {"__module__": "omegaconf.dictconfig"})
    modules["omegaconf.dictconfig"].DictConfig = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "omegaconf", modules["omegaconf"])
    monkeypatch.setitem(sys.modules, "omegaconf.dictconfig", modules["omegaconf.dictconfig"])
    one = kind()
    one.__dict__.update(_content={"lr": 0.1}, _flags=None)
    path = saved(tmp_path / "a.pt", {**weights(), "cfg": one})
    monkeypatch.undo()
    assert inspect_weights(path)[1].complete


def _torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())


def _npz(path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    path.write_bytes(buffer.getvalue())


def _zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/model.pth", b"12")


OTHERS = {
    "torchscript": (_torchscript, "weights-of-another-kind", "TorchScript"),
    "tar": (_tar, "weights-of-another-kind", "tar"),
    "npz": (_npz, "not-a-weight-file", "a.npy"),
    "zip": (_zipped, "not-a-weight-file", "weights/model.pth"),
    "hdf5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "not-a-weight-file", "HDF5"),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(99)), "not-a-weight-file", "gzip"),
    "page": (lambda path: path.write_bytes(b"<!DOCTYPE html><html>Sign in</html>"), "not-a-weight-file", "web page"),
    "pointer": (
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "not-a-weight-file",
        "LFS",
    ),
    "text": (lambda path: path.write_bytes(b"hello"), "not-a-weight-file", "a.pt"),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_other_kinds_are_named(tmp_path: Path, kind: str):
    write, code, named = OTHERS[kind]
    write(tmp_path / "a.pt")
    with refused(code, names=["a.pt", named]):
        open_weights(tmp_path / "a.pt")


def test_weights_in_several_files_are_refused_with_what_to_do(tmp_path: Path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    for path in (index, tmp_path):
        with refused("weights-in-several-files", names=[index.name, "save_file"]):
            open_weights(path)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path / "a.pt", weights())

    def forbidden(self: Path, *arguments: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)
    with refused("weights-unreadable", names=["a.pt", "Permission denied"]):
        open_weights(path)


def test_a_later_pickle_protocol_is_read_or_refused_as_what_it_is(tmp_path: Path):
    torch.save(weights(), tmp_path / "a.pt", pickle_protocol=4)
    try:
        assert inspect_weights(tmp_path / "a.pt")[1].complete
    except MedSSLError as error:
        assert error.code == "weights-damaged" and "torch.save" in str(error)
