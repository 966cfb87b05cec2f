"""All verbs in one tree, and the border where errors become messages."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

import medssl
from medssl.cli.data import check as data
from medssl.cli.data import methods, samples, weights
from medssl.cli.evaluation import embed, evaluate, froc, predict, segment
from medssl.cli.help import APPLY, DATA, INSPECT, SERVER, TRAIN, verb
from medssl.cli.inspection import (  # fmt: skip
    correspond,
    cosegment,
    generated,
    landmarks,
    next_case,
    restore,
    retrieve,
    saliency,
    volumes,
    warp,
)
from medssl.cli.output import complain
from medssl.cli.server import demo, doctor, jobs, serve, tokens
from medssl.cli.training import batch, compare, continuing, finetune, pretrain
from medssl.core.errors import MedSSLError
from medssl.core.files import of_disk

app = typer.Typer(
    name="medssl",
    help="Self-supervised learning on medical images: pretrain, inspect, fine-tune, apply, compare.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(name: str, function: Callable[..., None], group: str, example: str, old: tuple[str, ...] = ()) -> None:
    verb(app, name, f"medssl {name} {example}".rstrip(), group=group, old=old)(function)


_add("pretrain", pretrain.pretrain, TRAIN, 'scans/ --pattern "*/ct.nii.gz" --preset laptop')
_add("finetune", finetune.finetune, TRAIN, "scans.csv --task segmentation --start-from JOB --preset laptop")
_add("continue", continuing.continue_round, TRAIN, "scans.csv --model JOB")
_add("probe", finetune.probe, TRAIN, "radiographs.csv --model JOB --labels Pneumonia")
_add("compare", compare.compare, TRAIN, "scans.csv --task segmentation --arm scratch= --arm ssl=JOB")
_add("batch", batch.batch, TRAIN, "night.yaml")
_add("restore", restore.restore, INSPECT, "unseen.nii.gz --model JOB --distortion outpaint")
_add("correspond", correspond.correspond, INSPECT, "a.png b.dcm --model JOB")
_add("find", correspond.similarity, INSPECT, "a.png b.dcm --model JOB --at 210,145", old=("similarity",))
_add("warp", warp.warp, INSPECT, "a.png b.png --model JOB --search-radius 25")
_add("match", volumes.match, INSPECT, "a.nii.gz b.nii.gz --model JOB --at -30,12,140")
_add("cosegment", cosegment.cosegment, INSPECT, "a.png b.png c.png --model JOB")
_add("patchmap", cosegment.patchmap, INSPECT, "a.png b.png --model JOB --method tsne")
_add("landmarks", landmarks.landmarks, INSPECT, "radiographs.csv --landmarks points.csv --model JOB")
_add("saliency", saliency.saliency, INSPECT, "unseen.png --model JOB --finding Effusion")
_add("retrieve", retrieve.retrieve, INSPECT, "unseen.png --among radiographs/ --model JOB")
_add("next", next_case.next_case, INSPECT, "scans/ --model JOB --count 5")
generated.add_commands(app, rich_help_panel=INSPECT)
_add("segment", segment.segment, APPLY, "unseen/ --model JOB --output label-maps")
_add("predict", predict.predict, APPLY, 'unseen/ --model JOB --finding "Pleural Effusion"')
_add("embed", embed.embed, APPLY, "radiographs/ --model JOB --output embeddings.npz")
_add("evaluate", evaluate.evaluate, APPLY, "predictions.csv --group sex --group age:0,40,60")
_add("froc", froc.froc, APPLY, "predictions.csv --nodules nodules.csv")
_add("methods", methods.methods, DATA, "genesis --preset laptop")
_add("tasks", methods.tasks, DATA, "segmentation")
_add("serve", serve.serve, SERVER, "--port 8765")
_add("doctor", doctor.doctor, SERVER, "")
_add("demo", demo.demo, SERVER, "--method peac --output demo-peac")
app.add_typer(data.app, name="data", rich_help_panel=DATA)
app.add_typer(weights.app, name="weights", rich_help_panel=DATA)
app.add_typer(samples.app, name="samples", rich_help_panel=DATA)
app.add_typer(jobs.app, name="jobs", rich_help_panel=SERVER)
app.add_typer(tokens.app, name="tokens", rich_help_panel=SERVER)


@app.callback(invoke_without_command=True)
def top(version: bool = typer.Option(False, "--version", help="Version, and nothing else.")) -> None:
    if version:
        typer.echo(medssl.__version__)
        raise typer.Exit()


def main() -> None:
    """Run the command line; what the user can mend ends with a message and exit status 1, not with a traceback."""
    try:
        app()
    except MedSSLError as error:
        complain(error)
        sys.exit(1)
    except OSError as error:  # a home folder or an output that is read-only, full or gone, met anywhere
        known = of_disk(error)
        if known is None:
            raise
        complain(known)
        sys.exit(1)
