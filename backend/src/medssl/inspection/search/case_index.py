"""Embeddings of a set of images, kept on disk and in step with the files, and the nearest of them to a query."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from medssl.core.errors import ResourceError
from medssl.core.files import disk_errors
from medssl.datasets.entry import Entry
from medssl.images.formats.voxel_files import files_of
from medssl.inference.image_embedding import FRAMED, image_size
from medssl.inspection.search.case_images import describe_entries
from medssl.networks.network import Network

FILE, LOCK = "index.sqlite", "index.lock"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cases (key TEXT PRIMARY KEY, stamp TEXT, problem TEXT, vector BLOB, thumbnail BLOB)"
)
WAIT_S = 0.5  # between two looks whether another process has finished building
CountProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Changes:
    """What an update did: numbers of images."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    skipped: int = 0  # of all that are wanted: those that cannot be used


@dataclass(frozen=True)
class Case:
    """An image of the index beside a query.

    Attributes:
        number: of the image among the index's `entries`.
        entry: the image and what is known of it.
        similarity: cosine of the two embeddings, -1...1.
    """

    number: int
    entry: Entry
    similarity: float

    @property
    def distance(self) -> float:
        """Euclidean, of embeddings of unit length: 0...2."""
        return float(np.sqrt(max(0.0, 2.0 - 2.0 * self.similarity)))


class CaseIndex:
    """An index in a folder. Every batch of images is one transaction, so that an interrupted build goes on where it was.

    Several processes may use a folder; one at a time builds. Vectors are held in memory as one matrix: four bytes for each of
    their numbers, 5.5 kB an image with 1376.

    Attributes:
        entries: the images that can be found, in the order of the set.
        problems: (name, why) of those that cannot be used. They are tried again when their files change.
    """

    def __init__(self, folder: Path) -> None:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.entries: list[Entry] = []
        self.problems: list[tuple[str, str]] = []
        self._stamps: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._rows: dict[str, int] = {}
        self._stored = self._vectors = np.zeros((0, 0), np.float32)
        self._patients = np.zeros(0, object)

    @property
    def nbytes(self) -> int:
        """Memory that the vectors take."""
        return self._stored.nbytes + self._vectors.nbytes * (self._vectors is not self._stored)

    @property
    def vectors(self) -> np.ndarray:
        """Embeddings (N, D) of length 1, in the order of `entries`."""
        return self._vectors

    def __len__(self) -> int:
        return len(self.entries)

    def update(
        self, entries: Sequence[Entry], net: Network, features: str = "", progress: CountProgress | None = None
    ) -> Changes:
        """Bring the index in step with a set of images: only new and changed files are read.

        Args:
            entries: all images that shall be found.
            net: the model of this index, always the same one.
            features: see `embedding_of`.
            progress: called with (images done, images to do) after each batch; may raise to stop, what is done stays.

        Raises:
            ResourceError: the disk is full, or the index is damaged.
        """
        look = f" {FRAMED}" if len(image_size(net)) == 3 else ""
        wanted = {key_of(entry): stamp_of(entry) + look for entry in entries}
        changes = Changes()
        if wanted != self._stamps:
            with self._alone(progress or _silent), self._database() as database:
                self._load(database)
                changes = self._bring(database, entries, wanted, net, features, progress or _silent)
                self._load(database)
        self._arrange(entries)
        return Changes(changes.added, changes.changed, changes.removed, len(self.problems))

    def similarities(self, vector: np.ndarray) -> np.ndarray:
        """Cosine (N,) between an embedding (D,) and each of `entries`."""
        return self._vectors @ unit_vector(vector)

    def query(
        self, vector: np.ndarray, count: int = 8, without_patient: str = "", without: Collection[int] = ()
    ) -> list[Case]:
        """The cases most similar to an embedding, the best first; equal ones in the order of the set.

        Args:
            vector: (D,), of any length but 0.
            count: at most so many.
            without_patient: whose images do not count; "": everybody's do.
            without: numbers of entries that do not count.
        """
        similarities = self.similarities(vector)
        counted = np.ones(len(similarities), bool)
        if without_patient:
            counted &= self._patients != without_patient
        counted[list(without)] = False
        numbers = np.flatnonzero(counted)
        if count < len(
            numbers
        ):  # all that are as good as the last one wanted: a full sort of a large index takes longer
            least = np.partition(similarities[numbers], -count)[-count]
            numbers = numbers[similarities[numbers] >= least]
        best = numbers[np.argsort(-similarities[numbers], kind="stable")][:count]
        return [Case(int(n), self.entries[n], float(similarities[n])) for n in best]

    def thumbnail(self, case: Case) -> bytes:
        """A small JPEG of a case."""
        with self._database() as database:
            row = database.execute("SELECT thumbnail FROM cases WHERE key = ?", (key_of(case.entry),)).fetchone()
        return row[0]

    def _bring(
        self,
        database: sqlite3.Connection,
        entries: Sequence[Entry],
        wanted: dict[str, str],
        net: Network,
        features: str,
        progress: CountProgress,
    ) -> Changes:
        known = self._stamps
        gone = known.keys() - wanted.keys()
        stale = {key_of(entry): entry for entry in entries if known.get(key_of(entry)) != wanted[key_of(entry)]}
        with database:
            database.executemany("DELETE FROM cases WHERE key = ?", [(key,) for key in gone])
        done, keys = 0, list(stale)
        for batch in describe_entries(list(stale.values()), net, features):
            rows = [
                (
                    key,
                    wanted[key],
                    one.problem,
                    None if one.vector is None else unit_vector(one.vector).tobytes(),
                    one.thumbnail,
                )
                for key, one in zip(keys[done:], batch)
            ]
            with database:
                database.executemany("INSERT OR REPLACE INTO cases VALUES (?, ?, ?, ?, ?)", rows)
            done += len(batch)
            progress(done, len(stale))
        added = sum(key not in known for key in stale)
        return Changes(added, len(stale) - added, len(gone))

    def _load(self, database: sqlite3.Connection) -> None:
        """Read what is stored; thumbnails stay on the disk."""
        rows = database.execute("SELECT key, stamp, problem, vector FROM cases ORDER BY rowid").fetchall()
        self._stamps = {key: stamp for key, stamp, _, _ in rows}
        self._reasons = {key: problem for key, _, problem, vector in rows if vector is None}
        found = [(key, vector) for key, _, _, vector in rows if vector is not None]
        self._rows = {key: row for row, (key, _) in enumerate(found)}
        data = np.frombuffer(b"".join(vector for _, vector in found), "<f4")
        self._stored = data.reshape(len(found), -1) if found else np.zeros((0, 0), np.float32)

    def _arrange(self, entries: Sequence[Entry]) -> None:
        """Vectors in the order of the entries that have one; what is known of an entry may have changed without its file."""
        self.entries = [entry for entry in entries if key_of(entry) in self._rows]
        self.problems = [
            (entry.name, self._reasons[key_of(entry)]) for entry in entries if key_of(entry) in self._reasons
        ]
        rows = [self._rows[key_of(entry)] for entry in self.entries]
        self._vectors = self._stored if rows == list(range(len(self._stored))) else self._stored[rows]
        self._patients = np.array([entry.patient for entry in self.entries], object)

    @contextlib.contextmanager
    def _alone(self, progress: CountProgress) -> Iterator[None]:
        """While no other process builds; `progress` may raise while waiting."""
        lock = FileLock(self.folder / LOCK)
        while True:
            try:
                lock.acquire(timeout=WAIT_S)
                break
            except Timeout:
                progress(0, 1)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / FILE
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
                database.execute(SCHEMA)
                yield database
        except sqlite3.OperationalError as error:  # of the disk: full, read-only, not there
            raise ResourceError(path, f"cannot be used ({error})", "Free some space, or choose another home") from error
        except sqlite3.DatabaseError as error:
            raise ResourceError(
                path, f"is damaged ({error})", "Delete this file; the index is built anew", code="index-damaged"
            ) from error


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """A vector (D,) float32 of length 1; one of zeros stays as it is, similar to nothing."""
    vector = np.asarray(vector, np.float64).ravel()
    return (vector / (np.linalg.norm(vector) or 1.0)).astype("<f4")


def key_of(entry: Entry) -> str:
    """What tells an image from the others of its set: its file, and how that is looked at."""
    return "|".join(
        (
            str(entry.image),
            *([entry.part] if entry.part else ()),
            entry.view,
            entry.modality,
            "inverted" * entry.inverted,
        )
    )


def stamp_of(entry: Entry) -> str:
    """What changes when the file does: bytes and time of change; of a folder with a series those of all its files."""
    try:
        files = entry.files or files_of(entry.image)
        states = [file.stat() for file in files]
    except OSError:
        return "missing"
    return f"{len(states)} {sum(state.st_size for state in states)} {max((state.st_mtime_ns for state in states), default=0)}"


def _silent(done: int, wanted: int) -> None:
    """CountProgress that nobody wants to hear."""
