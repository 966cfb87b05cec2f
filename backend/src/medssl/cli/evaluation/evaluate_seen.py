"""Leakage between training and test: what `medssl evaluate` says of images that a pretrained Ark knows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medssl.cli.working import working
from medssl.core.errors import CatalogError, counted
from medssl.pretraining.seen import NO_TEST, found_in, seen_by

TRAINED_TOO = "--trained-too"


def notes_on_seen(home: Path, job: str, images: Iterable[str | Path], allowed: bool) -> list[str]:
    """Notes of a report on the images that a pretrained Ark is measured on.

    Args:
        home: where the job lies, if it does.
        job: that trained the model, "" where its file names none.
        images: paths.
        allowed: measure images of the training too, with a note.

    Raises:
        CatalogError: some of the images were trained on, and that is not allowed.
    """
    with working("looking up what the model was trained on"):
        seen = seen_by(home, job)
    found, rule, of = found_in(seen, images)
    if not found:
        none = f"Not one of these images (compared by path) trained job {' or '.join(seen.jobs)} or chose its weights"
        unknown = f"Whether these images were trained on is not known here: {seen.doubt}"
        return [none] * bool(seen.jobs) + [unknown] * bool(seen.doubt)
    count = f"{found} of {counted(of, 'image')}"
    if not allowed:
        remedy = f"Measure others: --split test, or other images; {TRAINED_TOO} measures them all the same"
        raise CatalogError(count, rule, remedy, code="trained-on-test-images")
    return [f"{NO_TEST}: {count} {rule}; the numbers do not show how good the model is on new images"]
