"""All verbs in one tree, and the border where errors become messages."""

from __future__ import annotations

import sys

import typer

import medssl
from medssl.cli.data import check as data
from medssl.cli.data import methods, samples, weights
from medssl.cli.evaluation import embed, evaluate, predict, segment
from medssl.cli.inspection import correspond, cosegment, generated, landmarks, restore, retrieve, saliency
from medssl.cli.output import complain
from medssl.cli.server import demo, doctor, jobs, serve
from medssl.cli.training import batch, compare, finetune, pretrain
from medssl.core.errors import MedSSLError

app = typer.Typer(
    name="medssl",
    help="Self-supervised learning on medical images: pretrain, inspect, restore.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("pretrain")(pretrain.pretrain)
app.command("finetune")(finetune.finetune)
app.command("probe")(finetune.probe)
app.command("segment")(segment.segment)
app.command("predict")(predict.predict)
app.command("embed")(embed.embed)
app.command("evaluate")(evaluate.evaluate)
app.command("restore")(restore.restore)
app.command("retrieve")(retrieve.retrieve)
app.command("correspond")(correspond.correspond)
app.command("saliency")(saliency.saliency)
app.command("similarity")(correspond.similarity)
app.command("cosegment")(cosegment.cosegment)
app.command("patchmap")(cosegment.patchmap)
app.command("landmarks")(landmarks.landmarks)
app.command("batch")(batch.batch)
app.command("compare")(compare.compare)
app.command("methods")(methods.methods)
app.command("tasks")(methods.tasks)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
generated.add_commands(app)
app.add_typer(jobs.app, name="jobs")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(samples.app, name="samples")


@app.callback(invoke_without_command=True)
def top(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
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
