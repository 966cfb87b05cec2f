"""What applying a model leaves of each image: a label map and its volumes, or a row of probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from medssl.core.files import disk_errors
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry, attributes, shown
from medssl.evaluation.prediction_tables import ATTRIBUTE, LABEL
from medssl.images.formats.reading import write_volume
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.images.planes import as_plane
from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume
from medssl.inference.mirroring import check_mirror
from medssl.inference.volumes.axes import FLAT
from medssl.inference.volumes.segmenter import answer_notes, check_segmenter, segment_image
from medssl.networks.network import Network
from medssl.tasks.apply.columns import Columns
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.growing_table import GrowingTable, Row
from medssl.tasks.apply.output import ApplyFolder, check_inputs_stay, file_names

CLASSES = "classes.csv"
UNCERTAINTY = "uncertainty"  # folder of the maps, each called as its label map
VOLUMES = ("image", "patient", "class", "value", "voxels", "volume_ml", "area_cm2")

Notify = Callable[[float, str], None]


class Applier(Protocol):
    """A model that leaves something of each image.

    Attributes:
        table: what it says of all images, by the column `image`.
        remarks: what should be known of all its answers.
    """

    table: GrowingTable
    remarks: tuple[str, ...]

    def has(self, row: Row) -> bool:
        """Is what a row of the index calls done still there?"""

    def facts(self, entry: Entry) -> dict[str, str]:
        """What the catalogue says of an image, by columns of the tables: true whenever the image was done."""

    def apply(self, entry: Entry, volume: Volume, notify: Notify) -> tuple[str, tuple[str, ...]]:
        """Do one image; the name of the file that holds the answer, and what should be known of it, `remarks` among it."""


class Segmenting:
    """A label map per image, volumes.csv of all, and classes.csv, which tells what the values mean; uncertainty maps on demand.

    Args:
        net: a segmentation network with its plan.
        catalog: the images.
        config: how windows are laid and averaged, and the format.
        output: where everything goes.
        known: the files of images that are done.

    Raises:
        WeightsError: a model of another task.
        ConfigError: mirrored copies of a model that never saw one.
        InputError: a label map would take the place of an image.
    """

    def __init__(
        self, net: Network, catalog: Catalog, config: ApplyConfig, output: ApplyFolder, known: Mapping[str, str]
    ) -> None:
        self._net, self._config, self._folder = net, config, output.folder
        plan = check_segmenter(net)
        check_mirror(plan, config.mirror)
        self.remarks = answer_notes(
            net, 2 if plan.modality == "CXR" or plan.task.get(FLAT) else 3, config.mirror, config.uncertainty
        )
        classes = SegmentClasses.from_list(plan.task["segments"])
        self._files = file_names(catalog, f".{config.format}", known)
        check_inputs_stay((output.folder / name for name in self._files.values()), catalog)
        write_table(classes.as_list(), output.folder / CLASSES)
        self.table = GrowingTable(output.folder / "volumes.csv", VOLUMES)

    def has(self, row: Row) -> bool:
        """The label map is there, and the uncertainty map that belongs to it."""
        files = [row["output"]] + [f"{UNCERTAINTY}/{row['output']}"] * self._config.uncertainty
        return all((self._folder / name).is_file() for name in files)

    def facts(self, entry: Entry) -> dict[str, str]:
        """Whose it is."""
        return {"patient": entry.patient}

    def apply(self, entry: Entry, volume: Volume, notify: Notify) -> tuple[str, tuple[str, ...]]:
        """Segment one image."""
        overlap = None if self._config.overlap < 0 else self._config.overlap
        found = segment_image(
            volume, self._net, overlap, self._config.mirror, notify, view=entry.view, inverted=entry.inverted,
            uncertainty=self._config.uncertainty,
        )  # fmt: skip
        name = self._files[shown(entry)]
        if found.uncertainty is not None:
            with disk_errors(self._folder):
                (self._folder / UNCERTAINTY).mkdir(exist_ok=True)
            write_volume(found.uncertainty, self._folder / UNCERTAINTY / name)
        write_segmentation(found.labels, found.segments, self._folder / name)
        about = {"image": shown(entry), **self.facts(entry)}
        self.table.append({**about, **row} for row in found.table)
        return name, found.notes


class Predicting:
    """A row per image in one table of predictions: probabilities, known labels of the same names, attributes.

    Labels and attributes are those of the catalogue as it is now, also in rows of images that are done.
    """

    def __init__(self, columns: Columns, catalog: Catalog, output: ApplyFolder) -> None:
        self._columns, self.remarks = columns, columns.remarks
        known = sorted({name for entry in catalog for name in attributes(entry, columns.used)})
        names = (*(LABEL + name for name in columns.labelled), *(ATTRIBUTE + name for name in known))
        header = ("image", "patient", *columns.names, *names)
        self.table = GrowingTable(
            output.folder / output.table, header, lambda name: name.startswith((LABEL, ATTRIBUTE))
        )
        self._had = {known["image"] for known in self.table.rows}

    def has(self, row: Row) -> bool:
        """The table had the image when this began."""
        return row["image"] in self._had

    def facts(self, entry: Entry) -> dict[str, str]:
        """Whose it is, its labels and attributes; empty where they are unknown."""
        labels = {name: self._columns.label(entry, name) for name in self._columns.labelled}
        known = {LABEL + name: f"{value:g}" for name, value in labels.items() if value == value}
        known |= {ATTRIBUTE + name: value for name, value in attributes(entry, self._columns.used).items()}
        varying = (name for name in self.table.columns if name.startswith((LABEL, ATTRIBUTE)))
        return {"patient": entry.patient, **dict.fromkeys(varying, ""), **known}

    def apply(self, entry: Entry, volume: Volume, notify: Notify) -> tuple[str, tuple[str, ...]]:
        """Classify one image."""
        volume = as_plane(volume, entry.view, entry.inverted) if entry.view or entry.inverted else volume
        found = self._columns.predict(volume)
        row: dict[str, Any] = {"image": shown(entry), **self.facts(entry)}
        row |= {name: found[name][0] for name in self._columns.names}
        self.table.append([row])
        return self.table.path.name, ()
