from __future__ import annotations

import json

import pytest
from refusals import refused

from medssl.core.errors import CancelledError
from medssl.jobs import device_probe, devices
from medssl.jobs.devices import Claim, claims, locked


def test_auto_takes_any_visible_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr(devices, "torch_knows_gpus", lambda: True)
    assert claims("auto") == [Claim("cuda:0", ("cuda-3",)), Claim("cuda:1", ("cuda-5",))]
    assert claims("cuda:1") == [Claim("cuda:1", ("cuda-5",))]
    assert claims("auto", count=2) == [Claim("cuda:0", ("cuda-3", "cuda-5"))]
    with refused("device-missing", names="2 GPU"):
        claims("cuda:2")


def test_without_a_gpu_auto_is_the_processor_and_cuda_is_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert claims("auto") == [Claim("cpu", ("cpu",))] == claims("cpu", count=2)
    with refused("device-missing", names="0 GPU"):
        claims("cuda")


def test_auto_is_the_processor_where_torch_was_built_without_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(devices, "torch_knows_gpus", lambda: False)
    assert claims("auto") == [Claim("cpu", ("cpu",))]
    assert claims("cuda") == [Claim("cuda:0", ("cuda-0",))]  # asked for: torch says what is wrong


@pytest.mark.parametrize(
    ("text", "built"),
    [("cuda: Optional[str] = '13.0'", True), ("cuda = None\nhip = '6.2'", True), ("cuda: Optional[str] = None", False)],
)
def test_the_build_of_torch_is_read_from_its_version_file(text: str, built: bool):
    assert bool(devices.BUILT_FOR_GPU.search(f"__version__ = '2.9.0'\n{text}\n")) == built


@pytest.mark.parametrize(("mask", "gpus"), [("NoDevFiles", []), ("1,-1,2", ["1"]), ("GPU-8a-b,0", ["GPU_8a_b", "0"])])
def test_a_mask_ends_where_it_names_no_gpu(monkeypatch, mask: str, gpus: list[str]):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    assert devices.visible_gpus() == gpus


def test_a_name_that_is_no_device(monkeypatch):
    with refused("device-unknown", names="tpu"):
        claims("tpu")


def test_a_busy_gpu_is_passed_over_and_all_busy_means_waiting(home):
    both = [Claim("cuda:0", ("cuda-0",)), Claim("cuda:1", ("cuda-1",))]
    with locked(home, both, lambda: False) as first, locked(home, both, lambda: False) as second:
        assert (first.device, second.device) == ("cuda:0", "cuda:1")
        with pytest.raises(CancelledError):
            with locked(home, both, lambda: True):
                pass
    with locked(home, both, lambda: True) as again:
        assert again.device == "cuda:0"


@pytest.mark.parametrize("name", devices.BATCH_IDS)
def test_jobs_of_a_batch_system_have_their_devices_apart(home, monkeypatch, name):
    for other in devices.BATCH_IDS:
        monkeypatch.delenv(other, raising=False)
    gpu = [Claim("cuda:0", ("cuda-0",))]  # each sees its own GPU as number 0
    monkeypatch.setenv(name, "17[1].head/node")
    with locked(home, gpu, lambda: False):
        with pytest.raises(CancelledError), locked(home, gpu, lambda: True):
            pass
        monkeypatch.setenv(name, "17[2].head/node")
        with locked(home, gpu, lambda: True) as other:
            assert other.device == "cuda:0"
    assert len(list((home / "locks").iterdir())) == 2


def test_a_missing_torch_is_a_note(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)  # makes `import torch` raise ImportError
    (only,) = device_probe.devices()
    assert only["name"] == "cpu" and not only["available"] and "pip install torch" in only["note"]


def test_a_broken_interpreter_is_a_note(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'undefined symbol: ncclFoo' >&2\nexit 1\n")
    python.chmod(0o755)
    (only,) = device_probe.probe(str(python))
    assert not only["available"] and "ncclFoo" in only["note"]


def test_the_probe_tells_name_and_memory():
    found = device_probe.probe()
    assert found[-1]["name"] == "cpu" and found[-1]["available"] and found[-1]["memory_bytes"] > 2**28
    assert set(found[-1]) == {"name", "description", "memory_bytes", "free_bytes", "available", "note"}
    json.dumps(found)
