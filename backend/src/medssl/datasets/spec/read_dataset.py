"""Reader of a dataset spec: the dataset as columns, from its tables; no image is opened."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from medssl.core.errors import CatalogError, closest_name
from medssl.datasets.spec.image_paths import ImagePlaces, found_images
from medssl.datasets.spec.label_readers import combined, label_readers, one_hot
from medssl.datasets.spec.rules import ColumnTemplate, TableRef, texts
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.split_reader import CODES, SplitReader, check_patients
from medssl.datasets.spec.table_stream import CHUNK, Chunk, Progress, Tables
from medssl.datasets.spec.tabular_dataset import Attribute, Codes, TabularDataset

SEEN = 12  # values of a column that are named


def read_dataset(
    dataset_spec: DatasetSpec, progress: Progress | None = None, warnings: list[dict[str, str]] | None = None
) -> TabularDataset:
    """Read the dataset of a spec, a few thousand rows at a time.

    Args:
        dataset_spec: of the dataset.
        progress: gets the share of a table that is read.
        warnings: gets {value, rule, remedy} of what can be meant and seldom is: rows that a joined table lacks, values of `only`
            and `exclude` that no row has.

    Raises:
        CatalogError: a table, column or list of images that is not there, a label outside its set, an image that is repeated,
            a path that leaves the root, a joined table that has none of the rows, a patient in two splits, no images; the
            first offending line is named.
    """
    try:
        if not dataset_spec.root or not Path(dataset_spec.root).is_dir():
            raise CatalogError(
                f"root {dataset_spec.root!r}", "is no folder", "Give the folder of the set, with its full path",
                code="root-not-a-folder",
            )  # fmt: skip
        reader = _Reader(dataset_spec, progress or (lambda share, text: None))
        dataset = reader.read()
        if warnings is not None:
            warnings += reader.warnings()
        return dataset
    except CatalogError as error:
        raise CatalogError(
            f"set {dataset_spec.name}: {error.value}", error.rule, error.remedy, code=error.code
        ) from error


class _Reader:
    def __init__(self, dataset_spec: DatasetSpec, progress: Progress) -> None:
        self.spec, self.root, self.progress = dataset_spec, Path(dataset_spec.root), progress
        self.rules, self.labels = dataset_spec.rules, label_readers(dataset_spec.rules)
        self.places = dataset_spec.attribute_places
        self.patient = dataset_spec.patient_place
        self.tables = Tables(self.root, dataset_spec.table_refs)
        rule = dataset_spec.split_rule
        self.split = SplitReader(rule, self.root) if rule else None
        self.split_place = rule.place if rule else None
        self.kept = {name: frozenset(texts(v, name)) for name, v in dataset_spec.only.items()}
        self.dropped = {name: frozenset(texts(v, name)) for name, v in dataset_spec.exclude.items()}
        self.unseen = {("only", name): set(values) for name, values in self.kept.items()}
        self.unseen |= {("exclude", name): set(values) for name, values in self.dropped.items()}
        self.seen: dict[tuple[str, str], dict[str, None]] = {key: {} for key in self.unseen}  # values, the first ones
        self.lost: list[dict[str, str]] = []
        self.images: list[str] = []
        self.number: dict[str, int] = {}  # of each image
        self.patients, self.attributes = Codes(), {name: Codes() for name in self.places}
        self.splits, self.rows, self.of_row = array("b"), array("q"), array("i")
        self.files: list[str] = []  # row = number of the file * 2**40 + line
        self.stated: list[np.ndarray] = []

    def read(self) -> TabularDataset:
        left_out = 0
        for ref in self.tables.rows or [TableRef("")]:
            self.files.append(ref.file)
            for chunk, paths in self._chunks(ref):
                if self.split:
                    self.split.see(paths)
                rows = self._wanted(chunk, paths)
                left_out += len(chunk) - len(rows)
                if rows:
                    self._add(chunk.take(rows), [paths[n] for n in rows])
        self.lost = self.tables.check_joins()
        if not self.images:
            raise self._nothing_left(left_out)
        if self.split:
            self.split.check(self.images[0])
        return self._made()

    def warnings(self) -> list[dict[str, str]]:
        """What was odd in the tables that were read."""
        return [*self.lost, *self._unseen_values()]

    def _unseen_values(self) -> list[dict[str, str]]:
        warnings = []
        for key, values in self.unseen.items():
            if values:
                seen = [value or "nothing" for value in self.seen[key]]
                more = ", ..." if len(seen) > SEEN else ""
                near = closest_name(min(values), seen)
                remedy = f"Check how the table writes it; its values: {', '.join(seen[:SEEN])}{more}"
                value = f"{'.'.join(key)} = {', '.join(sorted(values))}"
                warnings.append({"value": value, "rule": f"is a value that no row has{near}", "remedy": remedy})
        return warnings

    def _nothing_left(self, left_out: int) -> CatalogError:
        """No image: because of a value of `only` that no row has, or who knows why."""
        for warning in self._unseen_values() if left_out else ():
            if warning["value"].startswith("only."):
                rule = f"{warning['rule']}: no image is left ({left_out} rows were left out)"
                return CatalogError(warning["value"], rule, warning["remedy"], code="no-images-left")
        rule = f"has no images ({left_out} rows were left out)" if left_out else "has no images"
        return CatalogError("tables", rule, "Check the tables, only and exclude", code="no-images")

    def _chunks(self, ref: TableRef) -> Iterator[tuple[Chunk, list[str]]]:
        """Rows with the paths of their images below the root."""
        if not ref.file:
            found = iter(found_images(self.root, self.spec.templates))
            while paths := list(islice(found, CHUNK)):
                yield Chunk(ref, [0] * len(paths), {}), paths
            return
        self.column = self._columns(ref)
        images = ImagePlaces(self.root, ref.images or self.spec.templates, self.tables, ref)
        wanted = list(dict.fromkeys((*self.column.values(), *images.columns.values())))
        for chunk in self.tables.chunks(ref, wanted, self.progress):
            yield chunk, images.of(chunk)

    def _columns(self, ref: TableRef) -> dict[ColumnTemplate, str]:
        """The column of every place that has one, in the rows of this table."""
        places = [self.patient, *self.places.values(), *(rule.place for rule in self.rules)]
        places += [ColumnTemplate((name,)) for name in (*self.kept, *self.dropped) if name not in self.places]
        found = {place: self.tables.column(place, ref) for place in places if place.columns}
        usual = not self.spec.split  # the column `split`, where there is one
        place = None if ref.split else self.split_place
        if place and place.columns and not (usual and place.columns[0] not in self.tables.known(ref)):
            found[place] = self.tables.column(place, ref)
        return found

    def _texts(self, place: ColumnTemplate, chunk: Chunk, paths: Sequence[str], part: bool = True) -> list[str]:
        """What stands at a place; with `part` only what its pattern takes, "" where it is not found."""
        fields = chunk.columns[self.column[place]] if place.columns else list(paths)
        if not part or not place.pattern:
            return fields
        pattern = re.compile(place.pattern)
        found = map(pattern.search, fields)
        return ["" if match is None else match[1 if pattern.groups else 0] or "" for match in found]

    def _wanted(self, chunk: Chunk, paths: list[str]) -> list[int]:
        """Rows that neither `only` nor `exclude` leaves out."""
        keep = [True] * len(chunk)
        for key, rules in (("only", self.kept), ("exclude", self.dropped)):
            kept = key == "only"
            for name, values in rules.items():
                fields = self._texts(self.places.get(name, ColumnTemplate((name,))), chunk, paths)
                keep = [one and (field in values) == kept for one, field in zip(keep, fields)]
                if unseen := self.unseen[key, name]:
                    unseen.difference_update(fields)
                    if len(self.seen[key, name]) <= SEEN:
                        self.seen[key, name].update(dict.fromkeys(fields))
        return [n for n, one in enumerate(keep) if one]

    def _add(self, chunk: Chunk, paths: list[str]) -> None:
        splits = self._splits(chunk, paths)
        patients = self._texts(self.patient, chunk, paths)
        if "" in patients:
            n = patients.index("")
            where = f"{chunk.where(n)}: {paths[n]}"
            raise CatalogError(
                where, "has no patient", "Patients keep the splits apart: check the key patient", code="patient-missing"
            )
        stated = self._labels(chunk, paths)
        new = self._new(chunk, paths, patients, splits)
        if self.spec.repeated == "first":
            stated = stated[new]
        else:
            self.of_row.extend(self.number[path] for path in paths)
        self.stated.append(stated)
        self.patients.extend([patients[n] for n in new])
        self.splits.extend(splits[n] for n in new)
        for name, place in self.places.items():
            fields = self._texts(place, chunk, paths)
            self.attributes[name].extend([fields[n] for n in new])

    def _new(self, chunk: Chunk, paths: list[str], patients: list[str], splits: list[int]) -> list[int]:
        """Rows whose image is seen for the first time; they get the next numbers."""
        new, file = [], len(self.files) - 1 << 40
        begun = len(self.images)
        for n, path in enumerate(paths):
            known = self.number.setdefault(path, len(self.images))
            if known == len(self.images):
                self.images.append(path)
                self.rows.append(file + chunk.lines[n])
                new.append(n)
            elif self.spec.repeated == "refuse":
                remedy = "Say under repeated what is done: first, majority or any"
                raise CatalogError(
                    f"{chunk.where(n)}: {path}", f"repeats the image of {self._where(known)}", remedy,
                    code="image-repeated",
                )  # fmt: skip
            else:
                self._check_same(chunk, n, known, new[known - begun] if known >= begun else None, patients, splits)
        return new

    def _check_same(
        self, chunk: Chunk, n: int, known: int, here: int | None, patients: list[str], splits: list[int]
    ) -> None:
        """Rows of one image agree on whose it is and on its split; `here`: the earlier row's place in the same chunk."""
        if here is None:
            patient, split = self.patients.holds(known, patients[n]), self.splits[known] == splits[n]
        else:
            patient, split = patients[here] == patients[n], splits[here] == splits[n]
        if not (patient and split):
            rule = f"gives the image of {self._where(known)} another {'split' if patient else 'patient'}"
            raise CatalogError(chunk.where(n), rule, "Correct one of the rows", code="image-of-two-patients")

    def _splits(self, chunk: Chunk, paths: list[str]) -> list[int]:
        if chunk.ref.split:
            return [CODES[chunk.ref.split]] * len(paths)
        place = self.split_place
        if self.split is None or (place and place.columns and place not in self.column):
            return [CODES[""]] * len(paths)
        if place is None:
            return self.split.of_paths(paths)
        return self.split.of_words(self._texts(place, chunk, paths), chunk)

    def _labels(self, chunk: Chunk, paths: list[str]) -> np.ndarray:
        columns = [
            reader.read(self._texts(rule.place, chunk, paths, part=bool(rule.words)), chunk)
            for rule, reader in zip(self.rules, self.labels)
        ]
        stated = np.stack(columns, axis=1)
        return one_hot(stated, chunk, self.spec.classes) if self.spec.kind == "multi-class" else stated

    def _where(self, image: int) -> str:
        file, line = divmod(self.rows[image], 1 << 40)
        return f"{self.files[file]}, line {line}" if line else self.images[image]

    def _made(self) -> TabularDataset:
        spec, stated = self.spec, np.concatenate(self.stated)
        if len(stated) > len(self.images):
            rows = np.frombuffer(self.of_row, np.int32)
            stated = combined(stated, rows, len(self.images), spec.repeated, spec.kind == "multi-class")
        patients, splits = self.patients.numbers(), np.frombuffer(self.splits, np.int8)
        check_patients(patients, self.patients.values, splits, self._where)
        del self.number
        images = [os.path.join(self.spec.root, image) for image in self.images]
        return TabularDataset(
            spec.name, spec.kind, spec.classes, images,
            patients, self.patients.values, splits, stated,
            {name: Attribute(codes.numbers(), codes.values) for name, codes in self.attributes.items()},
            spec.uncertain, spec.missing, spec.inverted, spec.title or spec.name,
        )  # fmt: skip
