"""Show samples that a method would train on and their distortions, before any training."""

from __future__ import annotations

from medssl.core.errors import ConfigError
from medssl.core.requests import PreviewRequest
from medssl.handlers.context import Context
from medssl.images.formats.reading import write_volume
from medssl.inspection.training_set.training_samples import preview_samples

MOST = 64  # samples


def preview(request: PreviewRequest, context: Context) -> None:
    """Answer with original.nrrd and distorted.nrrd, 0…1, samples side by side along i; a table row per sample.

    Raises:
        CatalogError: nothing to train on.
        ConfigError: a setting is wrong, or too many samples are asked for.
    """
    if not 1 <= request.count <= MOST:
        raise ConfigError(
            f"count = {request.count}",
            f"must be between 1 and {MOST}",
            "4 is a good start",
            code="setting-out-of-range",
        )
    found = preview_samples(
        request.data, request.method, request.config, request.count, request.seed, context.home, context.progress
    )
    write_volume(found.original, context.folder / "original.nrrd", compress=False)
    write_volume(found.distorted, context.folder / "distorted.nrrd", compress=False)
    context.finish(["original.nrrd", "distorted.nrrd"], found.table, found.info)
