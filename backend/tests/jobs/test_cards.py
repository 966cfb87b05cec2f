"""Cards as their driver prints them, and why PyTorch uses none, over made-up machines."""

from __future__ import annotations

import os

import pytest

from medssl.cli.server.doctor import _gpu
from medssl.jobs import cards, device_probe
from medssl.jobs.cards import Card, least_driver, nvidia_smi, read_cards, too_old, why_unused

GEFORCE = Card("NVIDIA GeForce RTX 4090", 24564 * 2**20, "560.94", (8, 9))


def test_cards_are_read_as_the_driver_prints_them():
    text = "NVIDIA GeForce RTX 4090, 24564, 560.94, 8.9\nTesla V100-SXM2-16GB, 16384, 470.57.02\n"
    assert read_cards(text) == (GEFORCE, Card("Tesla V100-SXM2-16GB", 16384 * 2**20, "470.57.02"))
    assert read_cards("NVIDIA GB10, [N/A], 580.95.05, 12.1") == (Card("NVIDIA GB10", 0, "580.95.05", (12, 1)),)
    assert read_cards("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == ()
    assert read_cards('Field "compute_cap" is not a valid field to query.') == ()


def test_the_drivers_program_is_found_off_path(tmp_path, monkeypatch):
    windows = {"PATH": "", "SystemRoot": r"D:\Windows", "ProgramFiles": r"D:\Programs"}
    assert cards.nvidia_smi_places(windows, "Windows") == [
        r"D:\Windows\System32\nvidia-smi.exe",
        r"D:\Programs\NVIDIA Corporation\NVSMI\nvidia-smi.exe",
    ]
    monkeypatch.setattr(cards, "nvidia_smi_places", lambda variables, system: [str(tmp_path / "smi")])
    assert nvidia_smi({"PATH": ""}, "Linux") == ""
    (tmp_path / "smi").write_text("")
    assert nvidia_smi({"PATH": ""}, "Linux") == str(tmp_path / "smi")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the driver's program is a shell script")
def test_a_driver_that_does_not_know_the_last_field_is_asked_without_it(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ncase "$1" in *compute_cap*) exit 2;; esac\necho "Tesla K80, 11441, 418.67"\n')
    program.chmod(0o755)
    monkeypatch.setattr(cards, "nvidia_smi", lambda: str(program))
    assert cards.known_cards() == (Card("Tesla K80", 11441 * 2**20, "418.67"),)


@pytest.mark.parametrize(
    ("card", "cuda", "reason", "remedy"),
    [
        (None, "13.0", "no GPU was found", "laptop"),
        (GEFORCE, None, "NVIDIA GeForce RTX 4090, 24 GB is here, but this PyTorch is built for the CPU only", "Repair"),
        (GEFORCE, "13.0", "driver 560.94 of NVIDIA GeForce RTX 4090 is too old", "580 or later, or choose the build for CUDA 12.6"),
        (Card("Tesla K80", 0, "470.1"), "12.8", "driver 470.1", "528.33 or later, or choose the build for CUDA 11.8"),
        (Card("Tesla K80", 0, "418.67"), "12.8", "driver 418.67", "update the driver to 528.33 or later"),
        (GEFORCE, "12.8", "PyTorch cannot use it", "update the driver"),
    ],
)  # fmt: skip
def test_why_no_card_is_used(card, cuda, reason: str, remedy: str):
    said, _, do = why_unused([card] if card else [], cuda, system="Windows").partition("; ")
    assert reason in said and remedy in do


def test_a_hidden_card_is_said_to_be_hidden():
    assert "CUDA_VISIBLE_DEVICES hides" in why_unused([GEFORCE], "12.8", hidden=True)


def test_drivers_of_both_systems():
    assert (least_driver("12.8", "Linux"), least_driver("12.8", "Windows")) == ("525.60.13", "528.33")
    assert least_driver("99.0", "Linux") == ""


@pytest.mark.parametrize(
    ("capability", "architectures", "fits"),
    [
        ((6, 1), ["sm_75", "sm_80", "sm_120", "compute_120"], False),
        ((6, 1), ["sm_50", "sm_60", "sm_90"], True),
        ((8, 9), ["sm_75", "sm_80", "sm_86", "sm_90"], True),
        ((12, 0), ["sm_50", "sm_90", "compute_90"], True),  # compiled by the driver
        ((12, 0), ["sm_50", "sm_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 0), [], True),
    ],
)
def test_which_builds_know_a_card(capability, architectures, fits: bool):
    said = too_old("GeForce", capability, architectures)
    assert (said == "") == fits
    assert fits or "CUDA 12.6" in said


def test_the_probe_says_that_this_build_leaves_a_card_alone(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(device_probe, "known_cards", lambda: (GEFORCE,))
    assert "built for the CPU only" in device_probe._why_no_gpu(torch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" in device_probe._why_no_gpu(torch)


def test_the_doctor_says_plainly_whether_a_gpu_is_used():
    cpu = dict(name="cpu", description="8 cores", memory_bytes=2**35, free_bytes=2**34, available=True, note="")
    gpu = dict(cpu, name="cuda:0", description="NVIDIA RTX A5000", memory_bytes=24 * 2**30)
    used = _gpu([gpu, cpu], card_is_here=True)
    assert used.good and used.found == "used: NVIDIA RTX A5000 (24 GiB)"
    without = _gpu([dict(cpu, note=why_unused([], None))], card_is_here=False)
    assert without.good and "not used: no GPU was found" in without.found
    wrong = _gpu([dict(cpu, note=why_unused([GEFORCE], None))], card_is_here=True)
    assert not wrong.good and "CPU only" in wrong.found and wrong.remedy.startswith("Press Repair")
