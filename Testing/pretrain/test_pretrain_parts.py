"""Parts of MedSSLLib and MedSSLPretrainLib by themselves: form, chart, signal, steps, environments."""

from __future__ import annotations

import pytest
import qt
import slicer
from MedSSLLib.steps import Pause, StepRunner, runSteps
from MedSSLLib.widgets.configForm import ConfigForm
from MedSSLLib.widgets.errorText import errorText
from MedSSLLib.widgets.jobTexts import durationText, nameOf
from MedSSLLib.widgets.signal import Signal
from MedSSLPretrainLib.panel.dataTexts import summaryText
from MedSSLPretrainLib.panel.jobCard import cardText, cardTip
from MedSSLPretrainLib.runs.eventText import eventText
from MedSSLPretrainLib.views.lossChart import WHOLE, LossChart
from refusals import refused

from medssl.core.errors import MedSSLError, ResourceError
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build, describe, presets
from medssl.jobs.store import JobStore
from medssl.pretraining import METHODS


@pytest.fixture
def frame(harness):
    frame = qt.QWidget()
    qt.QVBoxLayout(frame)
    yield frame
    frame.deleteLater()


@pytest.mark.parametrize("name", METHODS)
def test_form_shows_every_preset_exactly(frame, name):
    """Over the whole registry: what the form returns builds the same config."""
    config = config_class(METHODS, name)
    form = ConfigForm(frame, describe(config), ("base_width", "training.steps"))
    assert len(form.fields) == len(describe(config))
    for preset, tree in presets(config).items():
        form.setValues(tree)
        assert form.differences(tree) == [], preset
        assert build(config, form.values()) == build(config, {}, preset=preset)


def test_form_reports_edits_and_explains_itself(frame):
    form = ConfigForm(frame, describe(config_class(METHODS, "genesis")))
    edits = []
    form.changed.connect(lambda: edits.append(form.values()["base_width"]))
    form.setValues(as_dict(build(config_class(METHODS, "genesis"), {"base_width": 16})))
    assert not edits
    width = form.fields["base_width"].widget
    width.value = 24
    assert edits == [24] and "4 to 128" in width.toolTip and width.minimum == 4
    assert "at least" not in width.toolTip and "voxels" in form.fields["cube"].widget.toolTip
    form.fields["training"].fields["learning_rate"].widget.text = "1e-3x"
    with refused("setting-type", names="'1e-3x'"):
        form.values()


@pytest.mark.parametrize("name", METHODS)
def test_a_form_keeps_what_nobody_has_opened(frame, name):
    """Folded settings are made when they are opened; until then they count as they were set."""
    config = config_class(METHODS, name)
    form = ConfigForm(frame, describe(config), ("training.steps",))
    assert list(form._made) == ["training.steps"]
    for preset, tree in presets(config).items():
        form.setValues(tree)
        assert form.differences(tree) == [] and build(config, form.values()) == build(config, {}, preset=preset)
    form.setValues(as_dict(build(config, {"training": {"seed": 9}})))
    assert form.fields["training"].fields["seed"].widget.value == 9


def test_what_is_folded_is_made_when_it_is_opened(frame):
    form = ConfigForm(frame, describe(config_class(METHODS, "genesis")), ("training.steps",))
    (everything,) = [section for section in form._waiting if section.text == "All settings"]
    everything.collapsed = False
    assert "base_width" in form._made and "training.seed" not in form._made
    (training,) = [section for section in form._waiting if section.text == "Training"]
    training.collapsed = False
    assert "training.seed" in form._made and "normalisation.kind" not in form._made


def test_settings_that_exclude_each_other_say_which_counts(frame):
    """Held against what the backend makes of them."""
    from MedSSLPretrainLib.panel.restingSettings import restingSettings

    config = config_class(METHODS, "ark")
    form = ConfigForm(frame, describe(config), ("epochs", "training.steps"))
    for epochs in (3, 0):
        asked = build(config, {"epochs": epochs, "training": {"steps": 50, "warmup_steps": 7}})
        form.setValues(as_dict(asked))
        form.rest(restingSettings(form.values()))
        steps = form.fields["training"].fields["steps"].widget
        assert steps.enabled == (asked.with_total_steps(11).training.steps == 50)
        assert ("Epochs say how long" in steps.toolTip) == bool(epochs)
        assert form.fields["warmup_epochs"].widget.enabled == bool(epochs)
    released = restingSettings(as_dict(build(config, {}, preset="released")))
    assert "training.schedule" in released and "training.schedule" not in restingSettings(form.values())


@pytest.mark.parametrize("name", METHODS)
def test_a_setting_that_rests_exists(frame, name):
    from MedSSLPretrainLib.panel.restingSettings import restingSettings

    config = config_class(METHODS, name)
    for tree in presets(config).values():
        form = ConfigForm(frame, describe(config))
        assert form.fields and restingSettings(tree).keys() <= form._made.keys()


@pytest.mark.parametrize(
    ("network", "rests"),
    [("auto", set()), ("unet3d", {"backbone", "cnn", "pixels"}), ("swin", {"base_width", "cnn", "pixels"}),
     ("cnn", {"base_width", "backbone"})],
)  # fmt: skip
def test_a_classification_says_which_settings_its_network_and_its_loss_leave_out(frame, network, rests):
    from MedSSLPretrainLib.panel.restingSettings import restingSettings

    from medssl.tasks.classification.config import ClassificationConfig

    form = ConfigForm(frame, describe(ClassificationConfig))
    behind = {field["name"] for field in describe(ClassificationConfig) if field["advanced"]}
    assert behind >= {"cnn", "pixels", "loss", "focus", "mixup", "balance"} and "network" not in behind
    for loss, more in (("cross-entropy", {"focus"}), ("focal", set())):
        found = restingSettings(as_dict(build(ClassificationConfig, {"network": network, "loss": loss})))
        assert {name for name in found if "." not in name} == rests | more
        assert form.fields and found.keys() <= form._made.keys()


def test_a_number_that_is_left_to_the_program_is_no_zero(frame):
    from medssl.tasks.segmentation.config import SegmentationConfig

    form = ConfigForm(frame, describe(SegmentationConfig))
    form.setValues(as_dict(build(SegmentationConfig, {}, "default")))
    assert form.fields  # makes them all
    shown = {name: form._made[name].widget for name in ("base_width", "training.batch_size", "training.memory")}
    assert [spin.text for spin in shown.values()] == ["planned", "as many as fit", "what is free"]
    shown["base_width"].value = 12
    assert shown["base_width"].text == "12" and form.values()["base_width"] == 12


def test_chart_drops_what_a_resume_repeats(scene):
    chart = LossChart()
    chart.addEvents([{"type": "loss", "step": n, "loss": 1 / n} for n in range(1, 9)])
    chart.addEvents([{"type": "metric", "step": 8, "validation_loss": 0.1, "constant_mean_loss": 0.2}])
    nodes = scene.GetNumberOfNodes()
    chart.addEvents([{"type": "resumed", "step": 5}, {"type": "loss", "step": 6, "loss": 0.5}])
    assert [step for step, _ in chart.points("loss")] == [1, 2, 3, 4, 5, 6] and chart.points("loss")[-1][1] == 0.5
    assert chart.points("validation_loss") == [] and chart.lastLoss() == 0.5
    assert scene.GetNumberOfNodes() == nodes  # updated in place


@pytest.fixture
def shown(scene, qapp):
    """A chart in a plot view, and what that view's axes span after a paint."""
    chart, view = LossChart(), slicer.qMRMLPlotView()
    chart.attach(view)
    view.show()

    def axes():
        view.repaint()
        qapp.processEvents()
        return view._extent

    yield chart, axes
    assert view._warnings == 0, "an empty curve was in the chart"
    view.close()


def losses(first: int, last: int, **more) -> list[dict]:
    return [
        {"type": "loss", "step": n, "loss": 1 / n, **{k: v / n for k, v in more.items()}} for n in range(first, last)
    ]


def test_the_axes_follow_the_points_of_every_portion(shown):
    chart, axes = shown
    axes()
    chart.addEvents(losses(1, 21))
    assert axes() == ((1, 20), (1 / 20, 1))
    chart.addEvents([{"type": "metric", "step": 20, "validation_loss": 1.5, "constant_mean_loss": None}])
    chart.addEvents(losses(21, 41))
    assert axes() == ((1, 40), (1 / 40, 1.5))
    chart.addEvents([{"type": "resumed", "step": 10}])
    assert axes() == ((1, 10), (1 / 10, 1))
    chart.clear()
    chart.addEvents(losses(1, 4))
    assert axes() == ((1, 3), (1 / 3, 1))


def test_the_axes_follow_the_curves_of_the_sets_too(shown):
    chart, axes = shown
    chart.addEvents(losses(1, 11, loss_a=8.0))
    chart.show("training")
    assert axes() == ((1, 10), (0.8, 8))
    chart.addEvents(losses(11, 21, loss_b=16.0))
    assert axes() == ((1, 20), (0.8, 8))
    chart.show(WHOLE)
    assert axes() == ((1, 20), (1 / 20, 1))


def test_curves_without_points_stay_out_of_the_chart(scene):
    chart = LossChart()
    assert chart.chart.GetNumberOfPlotSeriesNodes() == 0
    chart.addEvents([{"type": "metric", "step": 4, "validation_loss": 0.1, "constant_mean_loss": None}])
    chart.addEvents(losses(1, 3))
    names = [chart.chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["training", "validation"]  # in this order, whichever came first
    chart.clear()
    assert chart.chart.GetNumberOfPlotSeriesNodes() == 0


def test_signal():
    heard, signal = [], Signal()
    signal.connect(heard.append)
    signal.emit(1)
    signal.disconnect(heard.append)
    signal.emit(2)
    assert heard == [1]


def conversation(log):
    """Asks "a", waits, asks "bad" and lives with the error."""
    log.append((yield "a"))
    yield Pause(0.0)
    try:
        yield "bad"
    except MedSSLError as error:
        log.append(error.rule)
    return "end"


class Blocking:
    def send(self, call):
        if call == "bad":
            raise MedSSLError(call, "is refused")
        return call.upper()


class Asynchronous(Blocking):
    def send(self, call, onDone, onError):
        def reply():
            try:
                answer = Blocking.send(self, call)
            except MedSSLError as error:
                onError(error)
            else:
                onDone(answer)

        qt.QTimer.singleShot(0, reply)


def test_a_conversation_goes_alike_in_console_and_panel(harness, process_until):
    one, two, ends = [], [], []
    assert runSteps(conversation(one), Blocking()) == "end"
    runner = StepRunner(conversation(two), Asynchronous(), ends.append, ends.append).start()
    process_until(lambda: ends)
    assert one == two == ["A", "is refused"] and ends == ["end"] and not runner.running


def test_an_error_nobody_expects_reaches_the_panel(harness, process_until):
    def careless():
        yield "a"
        raise ZeroDivisionError("slip")

    ends = []
    StepRunner(careless(), Asynchronous(), ends.append, ends.append).start()
    process_until(lambda: ends)
    assert isinstance(ends[0], ZeroDivisionError)


def test_an_answer_that_cannot_be_shown_is_an_error_of_the_panel(harness, process_until):
    def careless(_answer):
        raise ZeroDivisionError("slip")

    ends = []
    runner = StepRunner(conversation([]), Asynchronous(), careless, ends.append).start()
    process_until(lambda: ends)
    assert isinstance(ends[0], ZeroDivisionError) and not runner.running


def test_a_stopped_conversation_is_silent(harness, qapp):
    ends = []
    StepRunner(conversation([]), Asynchronous(), ends.append, ends.append).start().stop()
    for _ in range(20):
        qapp.processEvents()
    assert not ends


def test_a_conversation_may_be_stopped_by_its_callback(harness, qapp):
    asked = []

    def talkative():
        yield Pause(0.0)
        runner.stop()
        asked.append((yield "a"))

    runner = StepRunner(talkative(), Asynchronous(), asked.append, asked.append).start()
    for _ in range(20):
        qapp.processEvents()
    assert not asked and not runner.running


def test_errors_and_events_in_words(harness):
    text = errorText(ResourceError("a<b.nrrd", "is truncated", "Copy it again"))
    assert "a&lt;b.nrrd" in text and "Copy it again" in text
    summary = summaryText({"volumes": 2, "patients": 1, "modality": "CT", "notes": ["a<b.nrrd is small"]})
    assert "2 volumes of 1 patient, CT" in summary and "a&lt;b.nrrd" in summary
    bad = [{"file": f"/d/{name}", "reason": "is cut off <here>"} for name in ("x.nii", "y.nii")]
    mixed = {
        "volumes": 3,
        "patients": 2,
        "bad": bad,
        "left_out": {"localiser": 2},
        "orientations": {"LPS": 2, "RAS": 1},
    }
    summary = summaryText({**mixed, "spacing": "1 to 3, median 2", "notes": ["2 files cannot be used: ...", "odd"]})
    for text in (
        "/d/x.nii: is cut off &lt;here&gt;",
        "/d/y.nii",
        "2 x localiser",
        "2 x LPS, 1 x RAS",
        "median 2",
        "odd",
    ):
        assert summary.count(text) == 1
    assert "2 files" not in summary
    assert "slip" in errorText(ZeroDivisionError("slip"))
    assert [durationText(s) for s in (40, 200, 3900)] == ["40 s", "3 min 20 s", "1 h 05 min"]
    assert eventText({"type": "loss", "time": 0.0, "step": 1, "loss": 1.0}) == ""
    warning = {
        "type": "warning",
        "time": 0.0,
        "code": "collapse",
        "message": "Constant output.",
        "remedy": "Lower the rate.",
    }
    assert eventText(warning).splitlines()[0].endswith("Warning: Constant output.")
    assert eventText(warning).splitlines()[1].strip() == "Lower the rate."


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"config": {"cube": [64, 64, 32]}, "training": 3}, "5 steps, 3 volumes for training, 1 for validation"),
        ({"config": {"backbone": "swin"}, "training": 1}, "5 steps, 1 radiograph for training, 1 for validation"),
        ({"config": {"loss": "dice"}, "parameters": 9, "training": 1}, "5 steps, 1 image for training"),
    ],
)
def test_the_log_says_what_a_training_learns_from(harness, fields, said):
    event = {
        "type": "started",
        "time": 0.0,
        "device": "cpu",
        "precision": "bf16",
        "steps": 5,
        "validation": 1,
        **fields,
    }
    assert said in eventText(event)


def test_a_remedy_is_a_sentence_and_a_line_of_its_own(harness):
    warning = {"type": "warning", "time": 0.0, "message": "one radiograph is inverted", "remedy": "Say so in the spec"}
    first, second = eventText(warning).splitlines()
    assert first.endswith("Warning: one radiograph is inverted.") and second.strip() == "Say so in the spec."
    assert len(eventText({**warning, "remedy": ""}).splitlines()) == 1


def test_a_damaged_job_is_shown_with_its_reason(tmp_path):
    (tmp_path / "jobs" / "20261129-000000-genesis-dead").mkdir(parents=True)
    (view,) = JobStore(tmp_path).list()
    assert "damaged" in nameOf(view) and "spec.json is missing" in cardText(view, None) + cardTip(view)
