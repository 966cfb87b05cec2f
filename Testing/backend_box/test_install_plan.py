"""The commands of an installation on made-up computers: nothing is started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from MedSSLLib.install.installPlan import (
    Choices,
    planEnvironment,
    planExisting,
    planRemoval,
    repaired,
    slicerVariables,
)  # fmt: skip
from MedSSLLib.install.installState import InstallState, markOf
from MedSSLLib.install.machine import TOOLS, FoundPython
from MedSSLLib.install.networkSettings import NetworkSettings
from MedSSLLib.install.torchBuild import FOLDER, FOLDER_FIRST, ORDINARY

from medssl.core.errors import InputError, ResourceError

HOME = "/home/Jörg M/medssl"
UV, PYTHON = f"{HOME}/installer/uv/bin/uv", f"{HOME}/environment/bin/python"
PIP = ["/opt/Slicer/bin/PythonSlicer", "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check",
       "--upgrade", "--target", f"{HOME}/installer/uv"]  # fmt: skip
COPY = ["/opt/Slicer/bin/PythonSlicer", str(TOOLS), "copy", "/opt/Slicer/MedSSLBackend", f"{HOME}/backend-source"]
ANEW = ["--reinstall-package", "torch", "--reinstall-package", "torchvision"]
CHECK = ["-c", "from medssl.cli import main; main()", "doctor", "--json"]
WHEELS = (
    "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl",
    "torchvision-0.28.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl",
)


def commands(plan) -> list[list[str]]:
    return [list(step.command) for step in plan.steps]


def expected(
    backend: list[str], python: str, venv: str, uv: str, requirements=("torch>=2.6", "torchvision")
) -> list[list[str]]:
    install = [uv, "pip", "install", "--python", python, *backend]
    return [
        [*PIP, "uv>=0.11"],
        [uv, "venv", "--allow-existing", "--python", venv, f"{HOME}/environment"],
        [*install, *ANEW, *requirements],
        COPY,
        [*install, "--reinstall-package", "medssl", *requirements, f"{HOME}/backend-source"],
        [python, *CHECK],
    ]


def test_windows_with_a_card(windows, places):
    plan = planEnvironment(
        windows, Choices(), places, {"PATH": "", "PYTHONHOME": "/opt/Slicer", "UV_TORCH_BACKEND": "cpu"}
    )
    uv, python = f"{HOME}/installer/uv/bin/uv.exe", f"{HOME}/environment/Scripts/python.exe"
    assert commands(plan) == expected(["--torch-backend=auto"], python, "3.12", uv)
    assert plan.variables["UV_CUDA_DRIVER_VERSION"] == "560.94"  # found outside PATH, where uv does not look
    assert plan.variables["UV_SYSTEM_CERTS"] == "true"
    assert not {"PYTHONHOME", "UV_TORCH_BACKEND"} & set(plan.variables)
    assert plan.build.usesGpu and [step.slicer for step in plan.steps] == [True, False, False, True, False, False]


def test_linux_with_a_card(linux, places):
    plan = planEnvironment(linux, Choices(), places, {})
    assert commands(plan) == expected(["--torch-backend=auto"], PYTHON, "/usr/bin/python3.12", UV)
    assert plan.variables["UV_CUDA_DRIVER_VERSION"] == "560.94"
    assert plan.variables["UV_CACHE_DIR"].startswith(HOME) and plan.variables["UV_PYTHON_INSTALL_DIR"].startswith(HOME)


def test_linux_with_an_amd_card(bare, places):
    plan = planEnvironment(replace(bare, amd="gfx1100"), Choices(), places, {})
    assert commands(plan) == expected(["--torch-backend=auto"], PYTHON, "/usr/bin/python3.12", UV)
    assert plan.variables["UV_AMD_GPU_ARCHITECTURE"] == "gfx1100"


def test_linux_without_a_card(bare, places):
    plan = planEnvironment(bare, Choices(), places, {})
    assert commands(plan) == expected(["--torch-backend=cpu"], PYTHON, "/usr/bin/python3.12", UV)
    assert "UV_CUDA_DRIVER_VERSION" not in plan.variables


def test_mac(mac, places):
    assert commands(planEnvironment(mac, Choices(), places, {})) == expected([], PYTHON, "3.12", UV)
    with pytest.raises(ResourceError) as error:
        planEnvironment(replace(mac, processor="x86_64"), Choices(), places, {})
    assert "Intel" in error.value.rule and "Another computer" in error.value.remedy


def test_pytorchs_index_cannot_be_reached(windows, linux, places):
    """The ordinary index has no build to choose from; where an older driver needs it, an older release is asked for."""
    plan = planEnvironment(linux, Choices(source=ORDINARY), places, {})
    assert commands(plan) == expected([], PYTHON, "/usr/bin/python3.12", UV, ("torch>=2.6,<2.11", "torchvision"))
    assert not planEnvironment(windows, Choices(source=ORDINARY), places, {}).build.usesGpu


def test_what_the_user_chose(linux, places):
    other = FoundPython("/opt/python3.11", (3, 11))
    machine = replace(linux, pythons=(*linux.pythons, other))
    plan = planEnvironment(machine, Choices(build="cu128", python=other.path), places, {})
    assert commands(plan) == expected(["--torch-backend=cu128"], PYTHON, other.path, UV)
    with pytest.raises(InputError) as error:
        planEnvironment(machine, Choices(python="/opt/python2"), places, {})
    assert "3.10 to 3.13" in error.value.rule


@pytest.fixture
def wheels(tmp_path) -> str:
    for name in (*WHEELS, "uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl"):
        (tmp_path / name).write_text("")
    return str(tmp_path)


def test_offline_from_a_folder_of_wheels(bare, places, wheels):
    plan = planEnvironment(bare, Choices(source=FOLDER, wheels=wheels), places, {"UV_FIND_LINKS": "/elsewhere"})
    pinned = ("torch==2.13.0+cpu", "torchvision==0.28.0+cpu")
    wanted = expected(["--no-index", "--find-links", wheels], PYTHON, "/usr/bin/python3.12", UV, pinned)
    wanted[0][-1:] = ["--no-index", "--find-links", wheels, "uv>=0.11"]
    assert commands(plan) == wanted
    assert plan.variables["UV_OFFLINE"] == "true" and "UV_FIND_LINKS" not in plan.variables
    with pytest.raises(ResourceError) as error:
        planEnvironment(replace(bare, pythons=()), Choices(source=FOLDER, wheels=wheels), places, {})
    assert "Python" in str(error.value.value)


def test_pytorch_from_a_folder_and_the_rest_from_the_index(bare, places, wheels):
    plan = planEnvironment(bare, Choices(source=FOLDER_FIRST, wheels=wheels), places, {})
    pinned = ("torch==2.13.0+cpu", "torchvision==0.28.0+cpu")
    assert commands(plan) == expected(["--find-links", wheels], PYTHON, "/usr/bin/python3.12", UV, pinned)


def test_a_folder_without_a_torchvision_of_that_build_is_refused(bare, places, tmp_path):
    """One of another build is installed without complaint, and fails at its import."""
    (tmp_path / WHEELS[0]).write_text("")
    for source, missing in ((FOLDER_FIRST, "torchvision"), (FOLDER, "torchvision, uv")):
        with pytest.raises(InputError) as error:
            planEnvironment(bare, Choices(source=source, wheels=str(tmp_path)), places, {})
        assert error.value.rule == f"holds no wheel of {missing}"
    with pytest.raises(InputError):
        planEnvironment(bare, Choices(source=FOLDER), places, {})


def test_proxy_and_certificate(bare, places, tmp_path):
    pem = tmp_path / "hospital.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    network = NetworkSettings("http://me:secret@proxy.example:3128", str(pem))
    plan = planEnvironment(bare, Choices(network=network), places, {"HTTPS_PROXY": "http://old"})
    assert plan.variables["HTTPS_PROXY"] == plan.variables["https_proxy"] == network.proxy
    assert plan.variables["SSL_CERT_FILE"] == plan.variables["PIP_CERT"] == str(pem)
    assert "UV_SYSTEM_CERTS" not in plan.variables
    assert "secret" not in str(commands(plan))  # which the log shows
    slicer = slicerVariables(plan, {"PYTHONHOME": "/opt/Slicer", "PIP_TARGET": "/x"})
    assert (
        slicer["HTTPS_PROXY"] == network.proxy and slicer["PYTHONHOME"] == "/opt/Slicer" and "PIP_TARGET" not in slicer
    )


@pytest.mark.parametrize("proxy", ["proxy.example", "http://a b", "ftp://proxy.example:1"])
def test_a_proxy_that_is_none(bare, places, proxy: str):
    with pytest.raises(InputError) as error:
        planEnvironment(bare, Choices(network=NetworkSettings(proxy)), places, {})
    assert "http://name:port" in error.value.remedy


def test_a_certificate_that_is_none(bare, places, tmp_path):
    der = tmp_path / "hospital.cer"
    der.write_bytes(b"\x30\x82")
    for path, said in ((der, "PEM"), (tmp_path / "gone.pem", "is not a file")):
        with pytest.raises(InputError) as error:
            planEnvironment(bare, Choices(network=NetworkSettings(certificate=str(path))), places, {})
        assert said in error.value.rule


def test_what_pip_is_set_to_holds_for_uv(bare, places):
    pip = {"index-url": "https://mirror.example/simple", "find-links": "/a /b", "proxy": "http://proxy.example:1"}
    variables = planEnvironment(replace(bare, pip=pip), Choices(), places, {}).variables
    assert variables["UV_DEFAULT_INDEX"] == pip["index-url"] and variables["HTTPS_PROXY"] == pip["proxy"]
    assert variables["UV_FIND_LINKS"] == "/a,/b" and "UV_INDEX_STRATEGY" not in variables
    own = planEnvironment(
        replace(bare, pip=pip), Choices(), places, {"UV_DEFAULT_INDEX": "https://own.example"}
    ).variables
    assert own["UV_DEFAULT_INDEX"] == "https://own.example"


def test_too_little_space(linux, places):
    with pytest.raises(ResourceError) as error:
        planEnvironment(replace(linux, freeBytes=5 * 10**9), Choices(), places, {})
    assert "5.0 GB free" in error.value.rule and "11 GB" in error.value.rule
    assert planEnvironment(replace(linux, freeBytes=5 * 10**9), Choices(build="cpu"), places, {})


def state_after(plan, *keys: str) -> InstallState:
    return InstallState({step.key: markOf(step.command) for step in plan.steps if step.key in keys})


def test_what_is_done_is_not_repeated(linux, places):
    plan = planEnvironment(linux, Choices(), places, {})
    again = planEnvironment(linux, Choices(), places, {}, state_after(plan, "tool", "python"))
    assert again.done == ("tool", "python") and again.steps == plan.steps
    nearly_full = replace(linux, freeBytes=5 * 10**9)
    assert (
        planEnvironment(nearly_full, Choices(), places, {}, state_after(plan, "tool", "python", "torch")).done[-1]
        == "torch"
    )


def test_another_build_repeats_pytorch_and_another_python_everything(linux, places):
    plan = planEnvironment(linux, Choices(), places, {})
    whole = state_after(plan, "tool", "python", "torch", "packages")
    assert planEnvironment(linux, Choices(build="cpu"), places, {}, whole).done == ("tool", "python")
    other = FoundPython("/opt/python3.11", (3, 11))
    machine = replace(linux, pythons=(*linux.pythons, other))
    anew = planEnvironment(machine, Choices(python=other.path), places, {}, whole)
    assert anew.steps[0].command[-2:] == ("remove", f"{HOME}/environment") and anew.done == ("tool",)


def test_a_new_slicer_fetches_uv_again_and_nothing_else(linux, places):
    whole = state_after(planEnvironment(linux, Choices(), places, {}), "tool", "python", "torch", "packages")
    newer = replace(places, slicerPython="/opt/Slicer-5.12/bin/PythonSlicer")
    assert planEnvironment(linux, Choices(), newer, {}, whole).done == ("python", "torch", "packages")


def test_repair_begins_with_an_empty_folder(linux, places):
    plan = planEnvironment(linux, Choices(), places, {})
    anew = repaired(planEnvironment(linux, Choices(), places, {}, state_after(plan, "tool", "python")), places)
    assert [step.key for step in anew.steps] == [
        "clear",
        "tool",
        "python",
        "torch",
        "source",
        "packages",
        "check",
    ] and not anew.done
    assert list(anew.steps[0].command)[-2:] == ["remove", f"{HOME}/environment"]  # the downloads stay


def test_remove_takes_the_downloads_too(places):
    plan = planRemoval(places, (places.environment, places.installer))
    (step,) = plan.steps
    assert plan.marked == (places.environment, places.installer) and plan.folder is None
    assert list(step.command)[2:] == ["remove", f"{HOME}/environment", f"{HOME}/installer"] and step.slicer
    assert Path(step.command[1]).is_file()


def test_an_existing_python_gets_the_backend_by_pip(places):
    plan = planExisting(
        "/opt/conda/bin/python", places, NetworkSettings("http://proxy.example:1"), {"PYTHONPATH": "/opt/Slicer"}
    )
    pip = ["-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]
    assert commands(plan) == [
        COPY,
        ["/opt/conda/bin/python", *pip, f"{HOME}/backend-source"],
        ["/opt/conda/bin/python", *CHECK],
    ]
    assert plan.folder is None and plan.variables["HTTPS_PROXY"] and "PYTHONPATH" not in plan.variables
    assert all(step.slicer for step in planExisting("/s", places, NetworkSettings(), {}, slicer=True).steps)
