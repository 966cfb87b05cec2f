"""The results of inspections, a folder each below `<home>/results`; the newest are kept."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError, MedSSLError, NotFoundError, StateError
from medssl.core.files import disk_errors, inside, read_json, write_json
from medssl.core.protocol import CANCELLED, END_STATES, FAILED, QUEUED, ResultStatus, from_json, to_json
from medssl.jobs.store import SAFE_ID

KEPT = 50
QUICK_KEPT = 5  # answers of a moving mouse: they must not push out what the user asked for


class ResultStore:
    """Result folders: `request.json`, `status.json`, the files an inspection leaves, and a `cancel` request.

    Args:
        home: the home folder.
        quick: names of inspections of whose results only the last few are kept.
    """

    def __init__(self, home: Path, quick: Iterable[str] = ()) -> None:
        self.folder_of_all, self._quick = Path(home) / "results", tuple(quick)
        self._ended: dict[
            str, ResultStatus
        ] = {}  # ends noted by this process, should the disk be too full to write them

    def create(self, kind: str, request: dict[str, Any]) -> ResultStatus:
        """Make the folder of a new, queued inspection and remove the oldest ended ones.

        Raises:
            ResourceError: the disk is full.
        """
        stamp, now = time.strftime("%Y%m%d-%H%M%S", time.gmtime()), time.time()
        status = ResultStatus(f"{stamp}-{int(now % 1 * 1000):03d}-{kind}-{secrets.token_hex(2)}", kind, QUEUED)
        folder = self.folder_of_all / status.id
        with disk_errors(folder):
            folder.mkdir(parents=True)
        write_json(folder / "request.json", request, durable=False)
        self.write(status)
        self._prune()
        return status

    def folder(self, result: str) -> Path:
        """The folder of a result.

        Raises:
            NotFoundError: no such result.
        """
        folder = self.folder_of_all / result
        if not SAFE_ID.fullmatch(result) or not (folder / "status.json").is_file():
            raise NotFoundError(
                f"result {result!r}", "does not exist", "Old results are removed; ask again", code="result-not-found"
            )
        return folder

    def status(self, result: str) -> ResultStatus:
        """How far the inspection is, or what it found.

        Raises:
            StateError: its file cannot be read.
        """
        folder = self.folder(result)
        try:
            return self._ended.get(result) or from_json(ResultStatus, read_json(folder / "status.json"))
        except ValueError as error:
            raise StateError(f"result {result}", f"is damaged ({error})", "Ask again", code="result-damaged") from error

    def written(self, result: str) -> int:
        """When its status was last written, as a number that changes with it; 0 where it is gone."""
        try:
            return (self.folder_of_all / result / "status.json").stat().st_mtime_ns
        except OSError:
            return 0

    def write(self, status: ResultStatus) -> None:
        """Replace the status."""
        write_json(self.folder_of_all / status.id / "status.json", to_json(status), durable=False)

    def file(self, result: str, name: str) -> Path:
        """One of the result's files.

        Raises:
            NotFoundError: no such file, or a name that leads out of the folder.
        """
        return inside(self.folder(result), name)

    def request_cancel(self, result: str) -> None:
        """Ask a queued or running inspection to stop.

        Raises:
            StateError: it has already ended.
        """
        state = self.status(result).state
        if state in END_STATES:
            raise StateError(
                f"result {result}", f"is {state}, so there is nothing to cancel", "Look at the result", code="job-ended"
            )
        (self.folder(result) / "cancel").touch()

    def cancel_requested(self, result: str) -> bool:
        """Whether somebody asked to stop it."""
        return (self.folder_of_all / result / "cancel").exists()

    def end(self, result: str, error: MedSSLError | None) -> None:
        """Write the end that the worker could not: failed with an error, or cancelled without one."""
        status = self.status(result)
        if status.state not in END_STATES:
            state = FAILED if error else CANCELLED
            ended = dataclasses.replace(status, state=state, error=error.as_dict() if error else None)
            self._ended[result] = ended
            self.write(ended)

    def end_orphans(self) -> None:
        """Fail what an earlier server left unfinished."""
        for result in self._names():
            if self._is_over(result):
                continue
            self.end(result, StateError(f"result {result}", "was lost when the server stopped", "Ask again"))

    def _prune(self) -> None:
        names = self._names()
        quick = [name for name in names if any(f"-{kind}-" in name for kind in self._quick)]
        others = [name for name in names if name not in set(quick)]
        for result in quick[:-QUICK_KEPT] + others[:-KEPT]:
            if self._is_over(result):
                self._ended.pop(result, None)
                shutil.rmtree(self.folder_of_all / result, ignore_errors=True)  # Windows keeps what is being sent

    def _is_over(self, result: str) -> bool:
        """Ended, being removed by another thread, or left by a version whose words are not known here."""
        try:
            return self.status(result).state in END_STATES
        except (InputError, NotFoundError, StateError, OSError):
            return True

    def _names(self) -> list[str]:
        found = self.folder_of_all.iterdir() if self.folder_of_all.is_dir() else ()
        return sorted(path.name for path in found if (path / "status.json").is_file())
