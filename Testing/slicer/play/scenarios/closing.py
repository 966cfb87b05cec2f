"""The scene is closed while a job runs: the job goes on and is still followed."""

from __future__ import annotations

import slicer
from stage import app, images
from stage.panels import END, pretrain

NAME = "goes on"


def run(stage):
    """A job runs"""
    yield from pretrain.open()
    yield from pretrain.connect(stage)
    pretrain.choose(images.volumes(stage, 2))
    pretrain.chooseModality("CT")
    steps = {"training__steps": 400, "training__validate_every": 50, "training__checkpoint_every": 50}
    pretrain.setTiny(base_width=4, **steps)
    yield 0.3
    yield from pretrain.start(stage, NAME)
    yield from stage.until(lambda: pretrain.job.status.step > 5, "some steps", 200)


def close(stage):
    """The scene is closed: progress, chart and log are still of this job"""
    step = pretrain.job.status.step
    slicer.mrmlScene.Clear(0)
    yield 2.0
    app.scrollTo(pretrain.plotView)
    yield from stage.shot("closed")
    assert pretrain.job is not None, f"the job is forgotten: {pretrain.ui.jobLabel.text}"
    assert pretrain.job.spec.name == NAME
    yield from stage.until(lambda: pretrain.job.status.step > step or pretrain.state in END, "further steps", 60)
    assert pretrain.chart.lastLoss() is not None, "the chart is empty"


def choose(stage):
    """Its row in the list shows it again"""
    pretrain.select(NAME)
    yield 2.0
    assert pretrain.job is not None and pretrain.job.spec.name == NAME
    assert pretrain.ui.logEdit.plainText.strip(), "the log is empty"
    yield from stage.shot("chosen")


def otherModule(stage):
    """The other module shows that it runs"""
    from stage.panels import inference

    yield from inference.open()
    yield 2.0
    yield from stage.shot("other-module")
    yield from pretrain.open()


def cancel(stage):
    """It is cancelled from the list"""
    pretrain.select(NAME)
    yield 0.5
    if pretrain.ui.cancelJobButton.enabled:
        pretrain.ui.cancelJobButton.click()
    yield from stage.until(lambda: pretrain.jobState(NAME) in END, "the end", 60)
    yield from stage.shot("cancelled")


ACTS = ((run, close, choose, otherModule, cancel),)
