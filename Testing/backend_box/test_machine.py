"""What is asked of a computer, and how the answers are read."""

from __future__ import annotations

import json

from MedSSLLib.install.machine import DESCRIBE, TORCH_INDEX, FoundPython, probes, readMachine

SMI = r"C:\Windows\System32\nvidia-smi.exe"


def commands(system, variables, there, which=lambda name, path: None):
    asked = probes(system, variables, "/opt/PythonSlicer", True, which, lambda path: path in there)
    return {probe.key: probe.command for probe in asked}


def test_windows_is_asked_at_the_places_that_are_not_on_its_path(harness, monkeypatch):
    monkeypatch.setattr("medssl.jobs.cards.os.path.isfile", lambda path: path == SMI)
    python = r"C:\Users\me\AppData\Local\Programs\Python\Python312\python.exe"
    store = r"C:\Users\me\AppData\Local\Microsoft\WindowsApps\python.exe"
    variables = {"PATH": "", "SystemRoot": r"C:\Windows", "LOCALAPPDATA": r"C:\Users\me\AppData\Local"}
    asked = commands("Windows", variables, {python, store}, lambda name, path: store if name == "python" else None)
    assert asked["cards"][0] == SMI and "compute_cap" in asked["cards"][1]
    assert "compute_cap" not in asked["oldCards"][1]
    assert asked["python0"] == (python, "-c", DESCRIBE) and "python1" not in asked
    assert asked["pip"] == ("/opt/PythonSlicer", "-m", "pip", "config", "list")
    assert asked["torchIndex"][2:] == ("reach", TORCH_INDEX)


def test_linux_is_asked_for_amd_and_a_mac_for_no_card(harness, monkeypatch):
    monkeypatch.setattr("medssl.jobs.cards.os.path.isfile", lambda path: False)
    rocm = "/opt/rocm/bin/rocm_agent_enumerator"
    asked = commands("Linux", {"PATH": ""}, {rocm})
    assert asked["amd"] == (rocm,) and "cards" not in asked
    assert list(commands("Darwin", {"PATH": ""}, {rocm})) == ["pip"]


def test_nothing_goes_out_before_it_is_wanted(harness):
    asked = probes("Linux", {"PATH": ""}, "/opt/PythonSlicer")
    assert "reach" not in str(asked) and "http" not in str(asked)


def test_the_answers_become_a_machine(harness):
    pip = """:env:.find-links='/opt/a /opt/b'
global.find-links='/opt/old'
global.index-url='https://mirror.example/simple'
global.extra-index-url='\\nhttps://one.example\\nhttps://two.example'
"""
    machine = readMachine("Windows", "AMD64", 5, {
        "cards": 'Field "compute_cap" is not a valid field to query.', "oldCards": "Tesla K80, 11441, 418.67",
        "python0": json.dumps([[3, 11], True, "/a/python3.11"]), "python1": json.dumps([[3, 12], True, "/a/python3.12"]),
        "python2": json.dumps([[3, 9], True, "/a/python3.9"]), "python3": json.dumps([[3, 12], False, "/a/32bit"]),
        "python4": "pyenv: python3.13: command not found", "python5": json.dumps([[3, 12], True, "/a/python3.12"]),
        "pip": pip, "torchIndex": "[Errno -2] Name or service not known\n",
    })  # fmt: skip
    assert machine.card.name == "Tesla K80" and machine.card.capability is None and not machine.silentDriver
    assert machine.pythons == (FoundPython("/a/python3.12", (3, 12)), FoundPython("/a/python3.11", (3, 11)))
    assert machine.pip == {
        "find-links": "/opt/a /opt/b", "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://one.example https://two.example",
    }  # fmt: skip
    assert "not known" in machine.torchIndex


def test_what_nobody_answered_stays_open(harness):
    machine = readMachine("Linux", "x86_64", 5, {"torchIndex": "\n", "amd": "gfx000\ngfx1100\n"})
    assert machine.torchIndex == "" and machine.amd == "gfx1100" and not machine.pythons
    assert readMachine("Linux", "x86_64", 5, {}).torchIndex is None
    assert readMachine("Linux", "x86_64", 5, {"cards": "NVIDIA-SMI has failed", "oldCards": ""}).silentDriver
