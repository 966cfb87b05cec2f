"""The first run, clicked: what is missing, one button, cancel, continue, repair, remove, update."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import qt
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install.environments import ownFolder, ownPlaces, ownPython
from MedSSLLib.install.installState import InstallState, markOf, readState, requirementsMark, writeState

from medssl.core.errors import ResourceError

pytestmark = pytest.mark.usefixtures("nothing_cut")


@pytest.fixture
def made(make_box, process_until, windows):
    """A box that has looked at a Windows computer with a card."""
    box = make_box(windows)
    process_until(lambda: box.env.installButton.enabled)
    return box


def pretend(plan, *keys: str, complete: bool = False) -> None:
    """Leave what an installation leaves that has come so far."""
    folder = ownFolder()
    ownPython().parent.mkdir(parents=True, exist_ok=True)
    ownPython().write_text("")
    uv = Path(ownPlaces().uv("Linux"))
    uv.parent.mkdir(parents=True, exist_ok=True)
    uv.write_text("")
    done = {step.key: markOf(step.command) for step in plan.steps if step.key in keys}
    writeState(folder, InstallState(done, complete, requirementsMark(backendFolder()) if complete else ""))


def test_one_glance_and_one_button(made, grab):
    text = made.env.messageLabel.text
    assert "Not installed yet" in text and "NVIDIA GeForce RTX 4090, 24 GB will be used" in text and "CUDA 12" in text
    grab.panel(made.frame, "backend-first-run")
    buttons = [button.text for button in made.frame.findChildren(qt.QPushButton) if made.seen(button)]
    assert buttons == ["Create environment"]
    made.box.update()  # what is shown inside a section that is folded would look out of it
    assert not made.seen(made.ui.environmentCombo) and not made.seen(made.env.foundLabel)


def test_nothing_is_started_or_asked_outside_before_the_click(made):
    assert not made.builder.built and not ownFolder().exists() and made.probe.reached == [False]
    made.install()
    assert made.probe.reached == [False, True] and len(made.builder.built) == 1


def test_what_was_found_is_shown_and_can_be_changed(made, grab):
    made.env.detailsSection.collapsed = False
    grab.panel(made.frame, "backend-what-was-found")
    assert "driver 560.94, compute capability 8.9" in made.env.foundLabel.text
    assert made.env.buildCombo.itemText(0) == "Automatic: CUDA 12"
    assert "by uv" in made.env.pythonCombo.itemText(0)
    made.env.buildCombo.currentIndex = made.env.buildCombo.findData("cu128")
    assert "CUDA 12.8" in made.env.messageLabel.text
    made.install()
    assert "--torch-backend=cu128" in made.builder.built[0].steps[2].command


def test_cancel_and_continue(made, grab):
    made.install()
    assert made.env.installButton.text == "Cancel" and "Part 1 of 6" in made.env.messageLabel.text
    grab.panel(made.frame, "backend-installing")
    pretend(made.builder.built[0], "tool", "python")
    made.install()
    assert "was cancelled" in made.env.installError.text and made.env.installButton.text == "Continue"
    assert "2 of 6 parts are done" in made.env.messageLabel.text and not made.seen(made.ui.startButton)
    grab.panel(made.frame, "backend-cancelled")
    made.install()
    assert made.builder.built[1].done == ("tool", "python")


def test_when_it_is_installed_it_starts_and_folds_to_a_line(made, process_until, grab):
    made.install()
    pretend(made.builder.built[0], "tool", "python", "torch", "packages", complete=True)
    made.builder.end()
    process_until(lambda: "GPU" in made.ui.stateLabel.text)
    seen = [
        w
        for w in (made.ui.startButton, made.ui.settingsSection, made.ui.environmentFrame, made.ui.hintLabel)
        if made.seen(w)
    ]
    assert seen == [made.ui.startButton] and made.ui.startButton.text == "Stop"
    grab.panel(made.frame, "backend-running")


def test_the_backend_that_runs_is_neither_repaired_nor_removed(made, process_until, grab):
    made.install()
    pretend(made.builder.built[0], "tool", "python", "torch", "packages", complete=True)
    made.builder.end()
    made.ui.settingsButton.checked = True
    made.env.detailsSection.collapsed = False
    assert not made.env.removeButton.enabled and "Stop the backend first" in made.env.removeButton.toolTip
    made.ui.startButton.click()
    made.ui.settingsSection.collapsed = False
    assert made.env.removeButton.enabled and made.env.repairButton.enabled
    assert not made.env.placePath.enabled and "Remove" in made.env.placePath.toolTip
    process_until(lambda: "GB in" in made.env.sizeLabel.text)
    grab.panel(made.frame, "backend-own-environment")
    made.env.repairButton.click()
    assert [step.key for step in made.builder.built[1].steps][:2] == ["clear", "tool"] and not made.builder.built[
        1
    ].done
    made.builder.end(ResourceError("PyTorch", "cannot be installed (no network)"))
    made.env.removeButton.click()
    assert len(made.questions) == 1 and str(ownFolder()) in made.questions[0] and "models" in made.questions[0]
    assert str(ownPlaces().installer) in made.questions[0]
    assert [step.key for step in made.builder.built[2].steps] == ["clear"]


def test_a_newer_extension_asks_for_an_update(make_box, process_until, windows):
    first = make_box(windows)
    process_until(lambda: first.env.installButton.enabled)
    plan = first.box.installing._plan()[0]
    pretend(plan, "tool", "python", "torch", "packages", complete=True)
    writeState(ownFolder(), replace(readState(ownFolder()), requirements="older"))
    box = make_box(windows)
    assert box.env.installButton.text == "Update" and box.ui.startButton.enabled
    assert box.seen(box.env.messageLabel) and "newer than its environment" in box.env.messageLabel.text
    process_until(lambda: box.env.installButton.enabled)
    box.install()
    assert box.builder.built[0].done == ("tool", "python", "torch")


def test_pytorchs_index_out_of_reach_is_said_and_another_way_offered(make_box, process_until, windows, grab):
    box = make_box(replace(windows, torchIndex="[Errno 11001] getaddrinfo failed"))
    process_until(lambda: box.env.installButton.enabled)
    assert "RTX 4090, 24 GB will be used" in box.env.messageLabel.text and not box.seen(box.env.sourceCombo)
    box.install()
    assert not box.builder.built
    assert "cannot be reached ([Errno 11001] getaddrinfo failed)" in box.env.messageLabel.text
    assert box.seen(box.env.sourceCombo) and box.env.sourceCombo.currentData == "ordinary"
    assert "RTX 4090 will not be used" in box.env.messageLabel.text
    grab.panel(box.frame, "backend-index-out-of-reach")
    box.install()
    assert not [part for part in box.builder.built[0].steps[2].command if part.startswith("--torch-backend")]


def test_a_folder_of_wheels(make_box, process_until, bare, tmp_path):
    box = make_box(replace(bare, torchIndex="no route"))
    process_until(lambda: box.env.installButton.enabled)
    box.install()
    box.env.sourceCombo.currentIndex = box.env.sourceCombo.findData("folder")
    assert box.seen(box.env.wheelsPath) and not box.env.installButton.enabled
    assert "holds no wheel of torch, torchvision, uv" in box.env.installError.text
    for name in (
        "torch-2.13.0+cpu-cp312-cp312-win_amd64.whl",
        "torchvision-0.28.0+cpu-cp312-cp312-win_amd64.whl",
        "uv-0.13-py3-none-any.whl",
    ):
        (tmp_path / name).write_text("")
    box.env.wheelsPath.currentPath = str(tmp_path)
    assert box.env.installButton.enabled and not box.seen(box.env.installError)
    box.install()
    assert "--no-index" in box.builder.built[0].steps[2].command


def test_proxy_and_certificate_are_used_for_looking_and_remembered_without_the_password(
    made, make_box, windows, tmp_path
):
    made.env.detailsSection.collapsed = False
    made.env.proxyEdit.text = "http://me:secret@proxy.example:3128"
    made.env.proxyEdit.editingFinished.emit()
    made.wait()
    assert made.probe.asked[-1]["HTTPS_PROXY"] == "http://me:secret@proxy.example:3128"
    pem = tmp_path / "own.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    made.env.certificatePath.currentPath = str(pem)
    made.wait()
    assert made.probe.asked[-1]["SSL_CERT_FILE"] == str(pem) and not any(made.probe.reached)
    again = make_box(windows)
    assert again.env.proxyEdit.text == "http://proxy.example:3128" and again.env.certificatePath.currentPath == str(pem)


def test_too_little_space_and_another_place(make_box, process_until, windows, tmp_path):
    box = make_box(replace(windows, freeBytes=2 * 10**9))
    process_until(lambda: "2.0 GB free" in box.env.installError.text)
    assert not box.env.installButton.enabled
    box.env.detailsSection.collapsed = False
    (tmp_path / "big disk").mkdir()
    box.probe.machine = windows
    box.env.placePath.currentPath = str(tmp_path / "big disk")
    box.wait()
    assert box.env.installButton.enabled and ownFolder() == tmp_path / "big disk" / "environment"
    ownFolder().mkdir()
    (ownFolder() / "thesis.docx").write_text("")
    box.box.update()
    assert "holds other files" in box.env.installError.text and not box.env.installButton.enabled


def test_what_the_user_has_put_beside_the_environment_is_never_removed(make_box, process_until, windows, tmp_path):
    place = tmp_path / "disk"
    (place / "installer").mkdir(parents=True)
    (place / "installer" / "setup.exe").write_text("")
    box = make_box(windows)
    process_until(lambda: box.env.installButton.enabled)
    box.env.placePath.currentPath = str(place)
    box.wait()
    assert "disk/installer</b> holds other files" in box.env.installError.text.replace("\u200b", "")
    pythonOf = Path(ownPlaces().environment) / "pyvenv.cfg"
    pythonOf.parent.mkdir()
    pythonOf.write_text("home = /usr/bin")  # an environment of the user's own
    ownPython().parent.mkdir(parents=True)
    ownPython().write_text("")
    box.box.update()
    assert not box.env.removeButton.enabled and not box.box.environment().exists
    writeState(ownFolder(), InstallState({}, True, requirementsMark(backendFolder())))
    box.box.update()
    box.ui.settingsSection.collapsed = box.env.detailsSection.collapsed = False
    box.env.removeButton.click()
    assert str(ownFolder()) in box.questions[0] and "installer" not in box.questions[0]
    assert box.builder.built[0].steps[0].command[2:] == ("remove", str(ownFolder()))


def test_a_place_counts_when_it_has_been_typed(made, tmp_path):
    (tmp_path / "me").mkdir()
    before, line = ownPlaces().environment, made.env.placePath.comboBox().lineEdit()
    made.ui.settingsSection.collapsed = made.env.detailsSection.collapsed = False
    line.clear()
    made.wait()
    line.insert(str(tmp_path / "me"))  # as a user types: each letter is a change
    assert ownPlaces().environment == before
    line.insert("/medssl")
    line.editingFinished.emit()
    made.wait()
    assert ownPlaces().environment == before and not made.env.installButton.enabled
    assert "me/medssl</b> is no folder on this computer" in made.env.installError.text.replace("\u200b", "")
    line.backspace()
    (tmp_path / "me" / "medss").mkdir()
    line.editingFinished.emit()
    made.wait()
    assert ownFolder() == tmp_path / "me" / "medss" / "environment" and made.env.installButton.enabled


def test_a_wrong_proxy_is_said_before_anything_is_installed_elsewhere(made, tmp_path):
    python = tmp_path / "python"
    python.write_text("")
    made.ui.settingsSection.collapsed = False
    made.env.proxyEdit.text = "proxy.example"
    made.ui.environmentCombo.currentIndex = made.ui.environmentCombo.findData("other")
    made.ui.otherPath.currentPath = str(python)
    made.install()
    assert "is not the address of a proxy" in made.env.installError.text and made.seen(made.env.installError)
    assert not made.builder.built


def test_other_environments_stay(made, tmp_path):
    python = tmp_path / "python"
    python.write_text("")
    made.ui.settingsSection.collapsed = False
    made.ui.environmentCombo.currentIndex = made.ui.environmentCombo.findData("other")
    assert not made.env.installButton.enabled and not made.seen(made.env.detailsSection)
    made.ui.otherPath.currentPath = str(python)
    assert made.env.installButton.text == "Install or update the backend there" and made.ui.startButton.enabled
    made.install()
    assert made.builder.built[0].steps[1].command[:4] == (str(python), "-m", "pip", "install")
    made.builder.end()
    assert made.process.state == "up" and not made.seen(made.ui.settingsSection)
    made.ui.settingsButton.checked = True
    made.ui.placeCombo.currentIndex = 1
    assert not made.seen(made.ui.environmentFrame) and made.seen(made.ui.addressEdit)


def test_a_home_folder_that_cannot_be_written(made, tmp_path):
    (tmp_path / "home").write_text("in the way")
    made.install()
    assert "cannot be written" in made.env.installError.text and not made.builder.built


def test_long_names_fit(made, grab, tmp_path):
    folder = tmp_path / "a folder with a very long name, as they come from a network drive of a hospital"
    folder.mkdir()
    made.env.detailsSection.collapsed = made.ui.settingsSection.collapsed = False
    made.env.sourceCombo.currentIndex = made.env.sourceCombo.findData("folder-first")
    made.env.wheelsPath.currentPath = str(folder)
    made.env.placePath.currentPath = str(folder)
    made.wait()
    grab.panel(made.frame, "backend-folder-of-wheels")


def test_both_modules_share_an_installation(make_box, process_until, windows):
    first = make_box(windows)
    second = make_box(windows, builder=first.builder, process=first.process)
    process_until(lambda: first.env.installButton.enabled and second.env.installButton.enabled)
    first.install()
    assert second.env.installButton.text == "Cancel" and "Part 1 of 6" in second.env.messageLabel.text
    pretend(first.builder.built[0], "tool", "python", "torch", "packages", complete=True)
    starts = []
    first.process.start = lambda environment: starts.append(environment.key)
    first.builder.end()
    assert starts == ["own"]  # by the one that was clicked
    assert not second.seen(second.env.installError) and not second.seen(second.env.installButton)


def test_the_modules_builder_is_one(harness):
    from MedSSLLib.install.environmentBuilder import sharedBuilder

    assert sharedBuilder() is sharedBuilder()
