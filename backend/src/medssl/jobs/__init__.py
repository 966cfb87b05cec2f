"""Jobs: a folder each, run by a detached child. One line registers a kind: (spec: JobSpec, run: Run) -> None."""

KINDS = {
    "pretrain": "medssl.training.pretrain:pretrain",
}
