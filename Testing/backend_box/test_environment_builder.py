"""Plans carried out by small programs: the log, what is kept after a cancel, reasons of failures, the check at the end."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import qt
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install import childTools
from MedSSLLib.install import environments as environmentsModule
from MedSSLLib.install.environmentBuilder import EnvironmentBuilder
from MedSSLLib.install.environments import (
    OTHER,
    OWN,
    SLICER,
    chosenEnvironment,
    environments,
    ownFolder,
    ownPlace,
    ownPython,
    setOwnPlace,
)
from MedSSLLib.install.failureReason import checked, failed
from MedSSLLib.install.installPlan import Plan, Step
from MedSSLLib.install.installState import (
    FILE,
    InstallState,
    foreign,
    isOurs,
    mark,
    markOf,
    ourFolders,
    readState,
    trueState,
    writeState,
)
from MedSSLLib.install.machineProbe import MachineProbe

from medssl.core.home import NEUTRAL_FOLDER

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
WELL = '[{"what": "torch", "found": "2.14", "good": true, "remedy": ""}, {"what": "GPU", "found": "used: X", "good": true, "remedy": ""}]'


@pytest.fixture
def program(tmp_path):
    """`program(name, text)`: a shell script; returns its command."""

    def make(name: str, text: str) -> tuple[str, ...]:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return (str(path),)

    return make


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "Straße 1"))
    return tmp_path / "Straße 1" / "environment"


@pytest.fixture
def builder(harness, folder):
    builder = EnvironmentBuilder()
    builder.lines, builder.ends, builder.parts = [], [], []
    builder.output.connect(builder.lines.append)
    builder.finished.connect(builder.ends.append)
    builder.progress.connect(lambda *part: builder.parts.append(part))
    return builder


def plan(folder, *steps: tuple[str, tuple[str, ...]], done: tuple[str, ...] = ()) -> Plan:
    variables = {"PATH": os.environ["PATH"], "SAID": "to the programs"}
    return Plan(tuple(Step(key, key, command) for key, command in steps), variables, folder, done=done)


def test_steps_follow_each_other_and_are_noted(builder, folder, program, process_until):
    steps = (
        ("tool", program("a", 'echo "$SAID"; pwd')),
        ("torch", program("b", "echo Downloading torch")),
        ("check", program("c", f"echo '{WELL}'")),
    )
    builder.build(plan(folder, *steps))
    process_until(lambda: builder.ends)
    assert builder.ends == [None] and builder.gpu == "used: X" and not builder.running
    assert f"to the programs\n{NEUTRAL_FOLDER}" in "\n".join(builder.lines)
    assert builder.parts == [(1, 3, "tool"), (2, 3, "torch"), (3, 3, "check")]
    state = readState(folder)
    assert state.complete and list(state.done) == ["tool", "torch"] and state.gpu == "used: X"


def test_a_cancelled_installation_goes_on_where_it_was(builder, folder, program, tmp_path, process_until):
    first = ("tool", program("a", f"echo once >> {tmp_path / 'count'}"))
    slow = plan(folder, first, ("torch", program("b", "echo Downloading; exec sleep 60")))
    builder.build(slow)
    process_until(lambda: "Downloading" in builder.lines)
    builder.cancel()
    process_until(lambda: builder.ends)
    assert "was cancelled" in str(builder.ends[0]) and "is kept" in builder.ends[0].remedy
    state = readState(folder)
    assert list(state.done) == ["tool"] and not state.complete
    builder.ends.clear()
    builder.build(
        plan(
            folder,
            first,
            ("torch", program("b", "echo Downloaded")),
            ("check", program("c", f"echo '{WELL}'")),
            done=("tool",),
        )
    )
    process_until(lambda: builder.ends)
    assert builder.ends == [None] and (tmp_path / "count").read_text() == "once\n"
    assert "Done already: tool" in builder.lines and readState(folder).complete


@pytest.mark.parametrize(
    ("printed", "reason", "remedy"),
    [
        ("error: Failed to fetch\n  Caused by: dns error: failed to lookup", "dns error", "network"),
        ("error: Request failed\n  Caused by: invalid peer certificate: UnknownIssuer", "UnknownIssuer", "certificate"),
        ("  × Failed\n  ╰─▶ No space left on device (os error 28)", "No space left", "Free some space"),
        ("  × No solution found when resolving dependencies:\n  ╰─▶ Because torch has no wheels", "Because torch has no wheels", "another Python"),
        ("error: failed to remove file: Access is denied. (os error 5)", "Access is denied", "Stop the backend"),
        ("something else", "something else", "Read the log"),
    ],
)  # fmt: skip
def test_why_a_step_failed_and_what_helps(builder, folder, program, process_until, printed, reason, remedy):
    (folder.parent).mkdir(parents=True)
    (folder.parent / "text").write_text(printed)
    builder.build(plan(folder, ("torch", program("b", f"cat '{folder.parent / 'text'}'; exit 2"))))
    process_until(lambda: builder.ends)
    assert reason in builder.ends[0].rule and remedy in builder.ends[0].remedy


def test_a_program_that_is_not_there(builder, folder, process_until):
    builder.build(plan(folder, ("torch", (str(folder / "uv"),))))
    process_until(lambda: builder.ends)
    assert "cannot be run" in str(builder.ends[0]) and not builder.running


def test_a_step_without_a_word(harness):
    assert "exit status 3" in failed("PyTorch", [], 3).rule


def test_the_check_spoils_what_does_not_work_and_leaves_what_is_full(harness):
    mismatch = WELL.replace(
        "]", ', {"what": "torchvision", "found": "0.28 does not fit torch", "good": false, "remedy": "x"}]'
    )
    error, gpu = checked("a warning\n" + mismatch)
    assert "torchvision 0.28 does not fit" in error.rule and gpu == "used: X"
    assert checked(WELL.replace('"torch"', '"disk"').replace("true", "false", 1)) == (None, "used: X")
    error, _gpu = checked("ModuleNotFoundError: No module named 'medssl'")
    assert "No module named 'medssl'" in error.rule and "Repair" in error.remedy


def test_a_failed_check_leaves_an_environment_that_does_not_count(builder, folder, program, process_until):
    ownPython().parent.mkdir(parents=True)
    ownPython().write_text("")
    builder.build(plan(folder, ("packages", program("a", "exit 0")), ("check", program("c", "echo broken; exit 1"))))
    process_until(lambda: builder.ends)
    own = next(e for e in environments({}) if e.key == OWN)
    assert "does not work (broken)" in builder.ends[0].rule and not own.exists and "not finished" in own.title
    assert list(readState(folder).done) == ["packages"]


def test_the_state_is_whole_or_not_there(folder, harness):
    folder.mkdir(parents=True)
    assert readState(folder) is None and not isOurs(folder, folder.parent / "installer")
    writeState(folder, InstallState({"tool": markOf(["a"]), "torch": "x"}, True))
    assert readState(folder).done["tool"] == markOf(("a",)) != markOf(["b"])
    assert isOurs(folder, folder.parent / "installer")
    there = trueState(folder, python=str(folder / FILE), uv=str(folder / "gone"))
    assert list(there.done) == ["torch"] and there.complete
    assert not trueState(folder, str(folder / "gone"), str(folder / FILE)).complete
    (folder / FILE).write_text('{"format": 1, "done"')
    assert readState(folder) is None


def ofEarlierVersion(folder: Path) -> None:
    """What earlier versions have left: neither a state nor marks."""
    (folder / "lib" / "python3.12" / "site-packages" / "medssl-0.1.dist-info").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for name in ("uv", "downloads"):
        (folder.parent / "installer" / name).mkdir(parents=True)


def test_only_what_the_panel_has_made_may_be_deleted(folder, harness):
    installer = folder.parent / "installer"
    for one in (folder, installer):
        one.mkdir(parents=True)
    assert ourFolders(folder, installer) == () and foreign(folder, installer) is None, "empty ones can be used"
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")  # the user's own environment
    (installer / "setup.exe").write_text("")
    assert ourFolders(folder, installer) == () and foreign(folder, installer) == folder
    writeState(folder, InstallState())
    assert ourFolders(folder, installer) == (folder,) and foreign(folder, installer) == installer
    mark(installer)
    assert ourFolders(folder, installer) == (folder, installer) and foreign(folder, installer) is None


def test_files_that_systems_leave_are_nobodys(folder, harness):
    installer = folder.parent / "installer"
    ofEarlierVersion(folder)
    for name in (".DS_Store", "desktop.ini"):
        (installer / name).write_text("")
    assert ourFolders(folder, installer) == (folder, installer) and foreign(folder, installer) is None
    writeState(folder, InstallState())
    shutil.rmtree(installer / "uv")  # a removal that was cancelled
    assert ourFolders(folder, installer) == (folder, installer) and foreign(folder, installer) is None


def test_an_environment_that_was_made_without_an_installer_is_known(folder, harness):
    ofEarlierVersion(folder)
    shutil.rmtree(folder.parent / "installer")
    assert ourFolders(folder, folder.parent / "installer") == ()
    (folder.parent / "backend-source").mkdir()
    assert ourFolders(folder, folder.parent / "installer") == (folder,)


def test_what_an_earlier_version_has_made_is_known(folder, harness):
    installer = folder.parent / "installer"
    ofEarlierVersion(folder)
    assert ourFolders(folder, installer) == (folder, installer) and foreign(folder, installer) is None
    (installer / "thesis").mkdir()
    assert ourFolders(folder, installer) == (folder,) and foreign(folder, installer) == installer


def test_folders_are_marked_before_they_are_filled(builder, folder, program, process_until):
    installer = folder.parent / "installer"
    marked = replace(plan(folder, ("tool", program("a", "exit 1"))), marked=(folder, installer))
    builder.build(marked)
    process_until(lambda: builder.ends)
    assert builder.ends[0] is not None and ourFolders(folder, installer) == (folder, installer)


def test_environment_choices(harness, folder, tmp_path):
    assert [e.key for e in environments({"MEDSSL_PYTHON": "/opt/python"})] == ["variable", "own", "slicer", "other"]
    own = environments({})[0]
    assert own.key == OWN and not own.exists and "to be created" in own.title
    ownPython().parent.mkdir(parents=True)
    ownPython().write_text("")
    assert not environments({})[0].exists, "an environment of the user's that happens to be called so"
    ofEarlierVersion(folder)
    assert environments({})[0].exists
    setOwnPlace(str(tmp_path / "elsewhere"))
    assert ownFolder() == tmp_path / "elsewhere" / "environment" and not environments({})[0].exists
    setOwnPlace("")
    assert ownPlace() == folder.parent
    assert next(e for e in environments({}) if e.key == SLICER).exists


def test_console_and_samples_take_the_python_that_was_chosen(harness, folder, tmp_path, monkeypatch):
    settings, python = qt.QSettings(), tmp_path / "python"
    settings.clear()
    ofEarlierVersion(folder)
    ownPython().parent.mkdir(parents=True)
    for one in (ownPython(), python):
        one.write_text("")
    assert chosenEnvironment({}).key == OWN
    settings.setValue("MedSSL/Environment", OTHER)
    assert chosenEnvironment({}).key == OWN, "the chosen one is not there"
    settings.setValue("MedSSL/OtherPython", str(python))
    assert chosenEnvironment({}).python == str(python)
    settings.setValue("MedSSL/Environment", SLICER)
    assert chosenEnvironment({}).key == SLICER
    monkeypatch.setattr(environmentsModule, "find_spec", lambda name: None)
    assert chosenEnvironment({}).key == OWN, "chosen, and nothing was installed into it"
    assert chosenEnvironment({"MEDSSL_PYTHON": sys.executable}).python == sys.executable
    settings.clear()
    ownPython().unlink()
    assert chosenEnvironment({}) is None, "Slicer's only where it was chosen"


def test_a_copy_of_the_source_that_can_be_built(tmp_path, capsys):
    copy = tmp_path / "copy"
    (copy / "old").mkdir(parents=True)
    assert childTools.main(["copy", str(backendFolder()), str(copy)]) == 0
    assert (copy / "pyproject.toml").is_file() and (copy / "src" / "medssl" / "core" / "home.py").is_file()
    assert not (copy / "old").exists() and not (copy / "tests").exists()
    assert childTools.main(["copy", str(tmp_path / "gone"), str(copy)]) == 1
    assert "gone: No such file" in capsys.readouterr().out


def test_sizes_and_removal(tmp_path, capsys):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(bytes(1000))
    os.link(tmp_path / "a" / "b" / "one", tmp_path / "a" / "linked")
    (tmp_path / "kept").write_text("")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "kept")
    os.chmod(tmp_path / "a" / "linked", stat.S_IRUSR)
    assert 1000 < childTools.size([str(tmp_path / "a"), str(tmp_path / "none")]) < 1300
    assert childTools.main(["remove", str(tmp_path / "a"), str(tmp_path / "none")]) == 1
    assert "a: was not made by MedSSL" in capsys.readouterr().out and (tmp_path / "a" / "b" / "one").exists()
    mark(tmp_path / "a")
    (tmp_path / "other").symlink_to(tmp_path / "a")
    assert childTools.main(["remove", str(tmp_path / "other")]) == 1
    assert childTools.main(["remove", str(tmp_path / "a"), str(tmp_path / "none")]) == 0
    assert not (tmp_path / "a").exists() and (tmp_path / "kept").exists()


def test_a_removal_that_was_cancelled_can_be_repeated(tmp_path, monkeypatch):
    for name in ("a", "z"):
        (tmp_path / "made" / name).mkdir(parents=True)
    mark(tmp_path / "made")
    deleted = []

    def cancelled(path, **_options) -> None:
        deleted.append(Path(path).name)
        raise KeyboardInterrupt

    monkeypatch.setattr(childTools.shutil, "rmtree", cancelled)
    with pytest.raises(KeyboardInterrupt):
        childTools.remove([str(tmp_path / "made")])
    assert deleted in (["a"], ["z"]) and (tmp_path / "made" / childTools.MARK).is_file()


def isAlive(number: int) -> bool:
    """Whether the process runs; it may end between the two questions."""
    try:
        os.kill(number, 0)
        return "zombie" not in Path(f"/proc/{number}/status").read_text() if Path("/proc").is_dir() else True
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("hears", [True, False])
def test_what_slicers_launcher_has_started_ends_with_it(builder, folder, program, tmp_path, process_until, hears):
    """PythonSlicer runs the real Python as its child; also one that leaves it without a standard input."""
    said = tmp_path / "number"
    launcher = program("launcher", f'"{sys.executable}" "$@" {"" if hears else "< /dev/null"}; exit $?')
    text = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    step = Step("tool", "tool", (*launcher, "-c", text), slicer=True)
    builder.build(Plan((step,), {"PATH": os.environ["PATH"]}, folder))
    process_until(lambda: said.is_file() and said.read_text(), 30)
    number = int(said.read_text())
    assert isAlive(number) and not builder.ends
    builder.cancel()
    process_until(lambda: builder.ends and not isAlive(number))
    assert "was cancelled" in str(builder.ends[0])


def test_a_watched_program_goes_on_without_a_standard_input(tmp_path, capfd):
    command = [sys.executable, childTools.__file__, "run", "-c", "import time; time.sleep(0.5); print('done'); exit(3)"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 3
    assert capfd.readouterr().out == "done\n"


def test_an_address_that_does_not_answer(capsys, monkeypatch):
    monkeypatch.setattr(childTools, "TIMEOUT_S", 0.5)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert childTools.main(["reach", "https://127.0.0.1:9/"]) == 0
    assert "refused" in capsys.readouterr().out
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "refused" in childTools.reach("https://host.invalid/")


def test_looking_at_this_computer(harness, tmp_path, process_until):
    """The real programs of whatever computer this is; the proxy is one that nobody has."""
    probe, found = MachineProbe(), []
    probe.found.connect(found.append)
    probe.start(tmp_path / "not" / "there", sys.executable, {"HTTPS_PROXY": "http://127.0.0.1:9"}, reach=True)
    process_until(lambda: found, 60)
    assert found[0].freeBytes > 0 and (found[0].torchIndex or found[0].system == "Darwin")
    assert all(Path(python.path).is_file() for python in found[0].pythons)
    probe.start(tmp_path, sys.executable, {})
    probe.close()
    assert not probe.running and len(found) == 1
