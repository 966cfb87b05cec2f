"""The line of a backend that runs: which GPU, or why none and what helps."""

from __future__ import annotations

import pytest
from scaffold.jobs import DEVICES

from medssl.jobs.cards import Card, why_unused

CPU = dict(name="cpu", description="8 cores", memory_bytes=2**35, free_bytes=2**34, available=True, note="")
pytestmark = pytest.mark.usefixtures("nothing_cut")
GEFORCE = Card("NVIDIA GeForce RTX 4090", 24 * 2**30, "560.94", (8, 9))


class Server:
    """Answers only what it computes on."""

    def __init__(self, devices) -> None:
        self.devices = devices

    def answer(self, call):
        import json

        return 200, json.dumps(self.devices).encode()


@pytest.fixture
def running(make_box, process_until, linux, tmp_path, monkeypatch):
    """`running(devices)`: a box whose backend runs on them."""
    python = tmp_path / "python"
    python.write_text("")

    def make(devices):
        monkeypatch.setenv("MEDSSL_PYTHON", str(python))
        box = make_box(linux, Server(devices))
        box.ui.startButton.click()
        process_until(lambda: "looking" not in box.ui.stateLabel.text)
        return box

    return make


def test_with_a_gpu(running):
    box = running(DEVICES)
    assert box.ui.stateLabel.text == "<b>Running</b> on this computer, GPU Example GPU 22 GB"
    assert "127.0.0.1" in box.ui.stateLabel.toolTip and not box.seen(box.ui.hintLabel)
    box.ui.deviceCombo.currentIndex = 2
    assert box.box.device == "cpu" and "without a GPU" in box.ui.stateLabel.text


def test_without_a_card_nothing_is_advised(running):
    box = running([dict(CPU, note=why_unused([], None))])
    assert "without a GPU" in box.ui.stateLabel.text and not box.seen(box.ui.hintLabel)


def test_a_card_that_lies_idle_is_named_with_what_to_do(running, grab):
    box = running([dict(CPU, note=why_unused([GEFORCE], None))])
    assert "without a GPU" in box.ui.stateLabel.text and box.seen(box.ui.hintLabel)
    assert "built for the CPU only" in box.ui.hintLabel.text and "Repair" in box.ui.hintLabel.text
    grab.panel(box.frame, "backend-idle-card")


def test_settings_open_from_the_line_and_fold_again(running, grab):
    box = running(DEVICES)
    box.ui.settingsButton.checked = True
    grab.panel(box.frame, "backend-settings")
    assert box.seen(box.ui.deviceCombo) and box.seen(box.ui.environmentCombo)
    box.ui.settingsButton.checked = False
    assert not box.seen(box.ui.settingsSection)
    box.ui.startButton.click()
    assert (
        box.ui.stateLabel.text == "Not running"
        and box.seen(box.ui.settingsSection)
        and not box.seen(box.ui.settingsButton)
    )
