"""Files that run code, are cut or damaged, hold other things than weights, or weights that are none: refused by name."""

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
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from downstream import MONAI, NNUNET
from mutations import PLAIN, mutated
from refusals import refused
from safetensors.torch import save_file
from small import make_peac, make_timm_swin

from medssl.core.errors import MedSSLError
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import inspect_weights, open_weights

NUMBER = int(os.environ.get("MEDSSL_MUTATIONS", "150"))  # of damaged files


def weights() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"state_dict": UNet3D(2).state_dict()}


def saved(path: Path, content: Any, old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


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


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_cut_files_are_called_cut(tmp_path: Path, kind: str, share: float):
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pt")
    if kind == "safetensors":
        save_file(weights()["state_dict"], path)
    else:
        saved(path, weights(), kind == "old")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with refused("weights-cut", names=[path.name, f"{int(len(data) * share):,}"]):
        open_weights(path)


def test_a_single_flipped_bit_of_a_weight_is_found(tmp_path: Path):
    """PyTorch itself opens such a file and says nothing."""
    path = saved(tmp_path / "a.pt", weights())
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(20):
        changed = bytearray(data)
        changed[rng.randrange(len(data) // 3, 2 * len(data) // 3)] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with refused("weights-damaged", names="a.pt"):
            open_weights(path)


def test_files_written_without_checksums_are_read(tmp_path: Path):
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path / "a.pt", weights())
    finally:
        torch.serialization.set_crc32_options(True)
    assert inspect_weights(path)[1].complete


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_values_that_are_not_finite_are_named_and_counted(tmp_path: Path, value: float, kind: torch.dtype):
    content = weights()
    name = "down_tr128.ops.1.conv1.weight"
    tensor = content["state_dict"][name] = content["state_dict"][name].to(kind)
    tensor.view(-1)[:7] = value
    path = saved(tmp_path / "a.pt", {"state_dict": {f"model.{n}": t for n, t in content["state_dict"].items()}})
    with refused("weights-not-finite", names=["a.pt", name, "7 of"]) as caught:
        open_weights(path)
    assert "more tensors" not in str(caught.value)
    content["state_dict"]["down_tr64.ops.0.conv1.bias"][0] = value
    with refused("weights-not-finite", names="1 more tensor"):
        open_weights(saved(path, content))


def test_an_average_that_diverged_does_not_spoil_the_model_beside_it(tmp_path: Path):
    content = {
        "model": weights()["state_dict"],
        "ema": {n: t * float("nan") for n, t in weights()["state_dict"].items()},
    }
    assert open_weights(saved(tmp_path / "a.pt", content)).part == "model"
    with refused("weights-not-finite"):
        open_weights(tmp_path / "a.pt", "ema")


def test_huge_tensors_of_few_stored_values_are_refused_without_taking_memory(tmp_path: Path):
    content = weights()
    content["state_dict"]["down_tr64.ops.0.conv1.weight"] = torch.zeros(1).expand(2**20, 2**20)
    with refused("weights-damaged", names=["down_tr64.ops.0.conv1.weight", f"{2**42:,}"]):
        open_weights(saved(tmp_path / "a.pt", content))


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_before_it_is(tmp_path: Path, monkeypatch):
    source = saved(tmp_path / "a.pt", weights())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("a/data/999", bytes(2**24))
    assert open_weights(tmp_path / "b.pt").tensors
    monkeypatch.setenv("MEDSSL_LARGEST_IMAGE_GIB", str(2**23 / 2**30))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with refused("weights-more-than-memory", names="b.pt"):
        open_weights(tmp_path / "b.pt")


def test_sparse_and_meta_tensors_are_refused(tmp_path: Path):
    for strange in (torch.eye(3).to_sparse(), torch.empty(2, device="meta")):
        content = weights()
        content["state_dict"]["down_tr64.ops.0.conv1.bias"] = strange
        with refused("weights-damaged", names="down_tr64.ops.0.conv1.bias"):
            open_weights(saved(tmp_path / "a.pt", content))


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


def test_damaged_files_give_only_the_projects_own_errors(tmp_path: Path):
    """150 of them here, as many as MEDSSL_MUTATIONS says elsewhere."""
    content = {
        **weights(),
        "args": argparse.Namespace(lr=np.float64(1)),
        "path": pathlib.PurePosixPath("a"),
        "epoch": 3,
    }
    zipped, plain = (saved(tmp_path / f"{old}.pt", content, old).read_bytes() for old in (False, True))
    path, outcomes = tmp_path / "damaged.pt", collections.Counter[str]()
    for what, data in mutated(zipped, plain, NUMBER):
        path.write_bytes(data)
        try:
            inspect_weights(path)
            outcomes["opened"] += 1
        except MedSSLError as error:
            assert path.name in str(error), what
            outcomes[error.code] += 1
    print(dict(outcomes))
    assert outcomes["weights-damaged"] > NUMBER / 4 and outcomes["weights-cut"] > NUMBER / 20


def test_damaged_safetensors_give_only_the_projects_own_errors(tmp_path: Path):
    save_file({f"model.{n}": t for n, t in weights()["state_dict"].items()}, tmp_path / "whole.safetensors")
    data, path = (tmp_path / "whole.safetensors").read_bytes(), tmp_path / "damaged.safetensors"
    rng, outcomes = random.Random(0), collections.Counter[str]()
    for _ in range(NUMBER):
        path.write_bytes(rng.choice(PLAIN)(data, rng))
        try:
            inspect_weights(path)
            outcomes["opened"] += 1
        except MedSSLError as error:
            assert path.name in str(error)
            outcomes[error.code] += 1
    print(dict(outcomes))
    assert outcomes["weights-damaged"] > NUMBER / 10 and outcomes["weights-cut"] > NUMBER / 20


def states() -> dict[str, dict[str, torch.Tensor]]:
    """Small networks of the layouts, without what our class puts before the names."""
    built = {name: MonaiSegmenter(name, 3, 1, 2, MONAI[name]) for name in ("basic_unet", "segresnet", "dynunet")}
    built |= {name: NnunetSegmenter(name, 3, 1, 2, NNUNET[name]) for name in NNUNET}  # type: ignore[dict-item]
    named = {key: {n.removeprefix("network."): t for n, t in net.state_dict().items()} for key, net in built.items()}
    return named | {
        "unet": UNet3D(2).state_dict(),
        "swin": make_timm_swin().state_dict(),
        "peac": make_peac().state_dict(),
    }


def test_names_and_shapes_that_do_not_add_up_give_only_the_projects_own_errors(tmp_path: Path):
    """Tensors left out, renamed, of other shapes, in files that are whole by themselves."""
    rng, known, path, codes = random.Random(0), list(states().values()), tmp_path / "a.pt", set()
    for _ in range(NUMBER):
        state = dict(rng.choice(known))
        for _ in range(rng.randint(1, 12)):
            name = rng.choice(list(state))
            tensor = state.pop(name)
            shape = [rng.randint(0, 9) for _ in range(tensor.ndim)]
            first = tensor[:1] if tensor.ndim else tensor
            other = (None, tensor.reshape(-1), torch.zeros(()), torch.zeros(shape), first, tensor)
            if (kept := rng.choice(other)) is not None:
                state[
                    name if kept is not tensor else name.replace("0", str(rng.randint(0, 12))).replace("weight", "bias")
                ] = kept
        try:
            codes.add("opened" if inspect_weights(saved(path, {"state_dict": state})) else "")
        except MedSSLError as error:
            codes.add(error.code)
    assert {"opened", "layout-unusable"} <= codes
