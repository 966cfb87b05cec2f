"""The audit log `<home>/audit.jsonl`: who asked for what, and how it was answered.

It holds names of tokens, addresses, routes as templates and job ids: no paths, queries, bodies, images or patients. What a panel
asks again and again is written once a minute, with the count of what was left out.
"""

from __future__ import annotations

import json
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.server.gate.access import HOLDER, OPEN_PATHS

FILE_BYTES, OLDER_FILES = 4 * 2**20, 5
REPEAT_S = 60.0
MOST_REMEMBERED = 1000
JOB_ID = re.compile(r"\d{8}-\d{6}-\w{1,40}-[0-9a-f]{4}", re.ASCII)  # what else stands in a path may be anything


class AuditLog:
    """A file of JSON lines that only its owner can read; the full one becomes `audit.jsonl.1`, and so on."""

    def __init__(self, home: Path, bytes_of_file: int = FILE_BYTES, clock: Callable[[], float] = time.time) -> None:
        self._file, self._clock = _OwnersFile(home / "audit.jsonl", bytes_of_file), clock
        self._seen: dict[tuple[Any, ...], list[float]] = {}  # entry -> [when it was written, repeats since then]

    def note(self, **entry: Any) -> None:
        """Write an entry, unless the same one was written a moment ago."""
        key, now = tuple(entry.values()), self._clock()
        seen = self._seen.pop(key, [0.0, 0])
        if 0 <= now - seen[0] < REPEAT_S:
            self._seen[key] = [seen[0], seen[1] + 1]
            return
        self._seen[key] = [now, 0]
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        line = {"time": when, **entry, **({"repeated": seen[1]} if seen[1] else {})}
        self._file.emit(logging.makeLogRecord({"msg": json.dumps(line)}))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _OwnersFile(logging.handlers.RotatingFileHandler):
    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path, maxBytes=most, backupCount=OLDER_FILES, encoding="utf-8", delay=True)

    def _open(self) -> Any:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=opener)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not keep the server from answering; its log says what is missing."""
        print(f"audit log: not written ({sys.exc_info()[1]}): {record.getMessage()}", file=sys.stderr, flush=True)


class Audit:
    """ASGI middleware that notes every request but the good ones to open paths."""

    def __init__(self, app: Any, log: AuditLog) -> None:
        self.app, self._log = app, log

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on and note its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, made = 500, b""  # where nothing was answered

        async def watched(message: dict[str, Any]) -> None:
            nonlocal status, made
            if message["type"] == "http.response.start":
                status, made = message["status"], dict(message["headers"]).get(b"location", b"")
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            if scope["path"] not in OPEN_PATHS or status >= 400:
                self._note(scope, status, made.decode("latin-1"))

    def _note(self, scope: dict[str, Any], status: int, made: str) -> None:
        holder, client = scope.get(HOLDER), scope.get("client")
        job = scope.get("path_params", {}).get("job", "") or made.rpartition("/")[2]
        self._log.note(
            who=holder.name if holder else "-", peer=client[0] if client else "-", method=scope["method"][:10],
            route=getattr(scope.get("route"), "path", "-"), status=status, job=job if JOB_ID.fullmatch(job) else "",
        )  # fmt: skip
