"""The build of PyTorch for each kind of computer and source."""

from __future__ import annotations

from dataclasses import replace

import pytest
from MedSSLLib.install.torchBuild import CHOICES, FOLDER, INDEXES, ORDINARY, TORCH, TORCHVISION, chosenBuild

from medssl.jobs.cards import Card

OLD_CARD = Card("NVIDIA GeForce GTX 1080", 8192 * 2**20, "580.88", (6, 1))


@pytest.mark.parametrize(
    ("card", "backend", "gpu", "said"),
    [
        (Card("RTX 4090", 0, "560.94", (8, 9)), "auto", True, "560.94"),
        (Card("RTX 4090", 0, "580.88", None), "auto", True, "580.88"),
        (OLD_CARD, "cu126", True, "leave out"),  # uv looks at the driver alone, and CUDA 13 does not know this card
        (Card("Tesla K80", 0, "470.57", (3, 7)), "cpu", False, "too old for PyTorch"),
        (Card("RTX 2080", 0, "470.57", (7, 5)), "cu118", True, "update"),
        (Card("RTX 2080", 0, "418.67", None), "cpu", False, "update it to 528.33"),
    ],
)
def test_the_card_and_its_driver_decide(windows, card, backend: str, gpu: bool, said: str):
    build = chosenBuild(replace(windows, cards=(card,)))
    assert (build.backend, build.usesGpu) == (backend, gpu) and said in build.reason


def test_of_several_cards_the_newest_decides(linux):
    assert chosenBuild(replace(linux, cards=(OLD_CARD, *linux.cards))).backend == "auto"


def test_without_a_card_uv_is_never_asked_to_choose(bare, windows):
    """It would take an Intel GPU, whose build is several GB and of no use to MedSSL."""
    for machine in (bare, replace(windows, cards=())):
        build = chosenBuild(machine)
        assert (build.backend, build.usesGpu) == ("cpu", False) and "no NVIDIA card" in build.reason
    assert "restart" in chosenBuild(replace(bare, silentDriver=True)).reason


def test_amd_on_linux_alone(bare):
    assert chosenBuild(replace(bare, amd="gfx1100")).backend == "auto"
    assert chosenBuild(replace(bare, system="Windows", amd="gfx1100")).backend == "cpu"


def test_a_mac_takes_the_ordinary_build(mac):
    assert (chosenBuild(mac).backend, chosenBuild(mac, ORDINARY).backend) == ("", "")


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_has_a_title(linux, name: str):
    build = chosenBuild(linux, INDEXES, name)
    assert build.title and build.backend == name


def test_the_ordinary_index_has_no_cuda_for_windows(windows, linux, bare):
    build = chosenBuild(windows, ORDINARY)
    assert not build.usesGpu and "RTX 4090 will not be used" in build.reason
    assert "CPU" in chosenBuild(bare, ORDINARY).reason and not chosenBuild(bare, ORDINARY).usesGpu
    assert chosenBuild(linux, ORDINARY).usesGpu


@pytest.mark.parametrize(
    ("card", "torch"),
    [
        (Card("RTX 4090", 0, "580.88", (8, 9)), "torch>=2.6"),  # CUDA 13 since 2.11
        (Card("RTX 4090", 0, "560.94", (8, 9)), "torch>=2.6,<2.11"),  # CUDA 12.8 until 2.10
        (OLD_CARD, "torch>=2.6,<2.8"),  # CUDA 12.6 until 2.7
    ],
)
def test_the_ordinary_index_has_older_cuda_in_older_releases(linux, card, torch: str):
    build = chosenBuild(replace(linux, cards=(card,)), ORDINARY)
    assert build.requirements[0] == torch and build.usesGpu


def test_a_folder_of_wheels_is_taken_as_it_is(linux, bare):
    wheels = [
        "torch-2.9.1+cu128-cp312-cp312-manylinux_2_28_x86_64.whl", "torch-2.13.0+cu130-cp312-cp312-win_amd64.whl",
        "torchvision-0.28.0%2Bcu130-cp312-cp312-win_amd64.whl", "torchmetrics-1.9-py3-none-any.whl",
    ]  # fmt: skip
    build = chosenBuild(linux, FOLDER, wheels=wheels)
    assert build.requirements == ("torch==2.13.0+cu130", "torchvision==0.28.0+cu130") and build.usesGpu
    assert not chosenBuild(bare, FOLDER, wheels=wheels).usesGpu
    cpu = chosenBuild(linux, FOLDER, wheels=[name.replace("cu130", "cpu") for name in wheels])
    assert not cpu.usesGpu and cpu.title == "CPU"


def test_the_requirements_are_those_of_the_backend():
    from MedSSLLib.backendLocator import backendFolder

    needed = (backendFolder() / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{TORCH}"' in needed and f'"{TORCHVISION}"' in needed
