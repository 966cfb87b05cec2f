"""What `medssl evaluate` measures where label maps lie in folders, and where the images of its pictures are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from medssl.cli.evaluation.evaluate_applied import written_classes
from medssl.core.errors import InputError, counted
from medssl.core.home import home_folder
from medssl.tasks.history.recorded_split import training_notes

if TYPE_CHECKING:
    from medssl.evaluation.label_map_pairs import Pair
    from medssl.images.segment_classes import SegmentClasses


def pairs_in(
    predictions: Path, truth: Path | None, catalog: Path | None, images: Path | None, classes: str, home: Path | None
) -> tuple[list[Pair], SegmentClasses, list[str]]:
    """Pairs of label maps, their classes, and notes on what was left out.

    Raises:
        InputError: no folder with the truth is named.
        CatalogError, NotFoundError: see `pairs_of_folders`.
    """
    from medssl.core.protocol import DataSpec
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.evaluation.label_map_cases import classes_that_occur
    from medssl.evaluation.label_map_pairs import pairs_of_folders
    from medssl.images.segment_classes import read_classes
    from medssl.tasks.apply.output import ApplyFolder, record_of

    if truth is None:
        rule = "is a folder of label maps, and the true label maps are not named"
        raise InputError(predictions, rule, "Add --truth FOLDER", code="truth-missing")
    entries = list(read_catalog(DataSpec(path=str(catalog)), home_folder(home), channels=True)) if catalog else []
    pairs, notes = pairs_of_folders(predictions, truth, entries, images)
    job = str(record_of(predictions / ApplyFolder.table).get("job", ""))
    seen = training_notes(home_folder(home), job, [pair.source for pair in pairs], [pair.patient for pair in pairs])
    notes = seen + notes
    known = read_classes(classes) if classes else written_classes(predictions) or classes_that_occur(pairs)
    return pairs, known, notes


def found_images(names: Iterable[str], beside: Path, folder: Path | None) -> dict[str, Path]:
    """The image files of a table: by their path, from here or from `beside`; else by their name below `folder`.

    Raises:
        NotFoundError: no such folder.
    """
    from medssl.evaluation.label_map_pairs import images_by_name
    from medssl.images.formats.image_files import stem

    below = images_by_name(folder) if folder else {}
    found = {}
    for name in names:
        places = (below.get(stem(Path(name))), Path(name), beside / name)
        if path := next((place for place in places if place and place.exists()), None):
            found[name] = path.absolute()
    return found


def bare_note(bare: int, drawn: int) -> list[str]:
    """The note on pictures that show label maps without their image; none where all have one."""
    if not bare:
        return []
    rest = "images are not known, or do not lie on the label maps: name their folder by --images"
    return [
        f"{bare} of {counted(drawn, 'picture')} of the worst cases {'shows' if bare == 1 else 'show'} label maps alone: the {rest}"
    ]
