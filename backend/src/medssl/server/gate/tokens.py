"""Who holds a token, and what it opens: the owner's of `server.json`, and named ones in `<home>/tokens.json`.

A named token is `medssl_<id>_<secret>`. The file, which its owner alone can read, keeps the SHA-256 of each: the secret
has 256 random bits, so no slow hash is needed. A server sees a change of the file with the next request.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from medssl.core.errors import InputError, NotFoundError
from medssl.core.files import read_json, write_json
from medssl.core.home import make_home
from medssl.core.protocol import token_id, token_key
from medssl.jobs.liveness import hold

LOOK, RUN = "look", "run"
ROLES = {LOOK: "GET and HEAD: jobs, results, models, files", RUN: "everything"}
OWNER = "owner"
NAME = re.compile(r"[^\W_][\w .@-]{0,59}")


@dataclass(frozen=True)
class Holder:
    """Somebody with a token."""

    name: str
    role: str
    id: str = ""  # the owner's has none
    key: str = ""  # SHA-256 of the token
    created: float = 0.0


class TokenFile:
    """The named tokens of a home folder."""

    def __init__(self, home: Path) -> None:
        self.path = Path(home) / "tokens.json"

    def read(self) -> list[Holder]:
        """All holders, oldest first.

        Raises:
            InputError: the file is damaged.
        """
        try:
            found = [Holder(**one) for one in read_json(self.path)] if self.path.exists() else []
            if any(one.role not in ROLES or not one.id or len(one.key) != 64 for one in found):
                raise ValueError("a role, an id or a key is missing")
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                self.path, f"cannot be read ({error})", "Delete it and make the tokens anew", code="tokens-damaged"
            ) from error
        return found

    def add(self, name: str, role: str) -> str:
        """Make a token and return it; it cannot be shown again.

        Raises:
            InputError: a name that is taken or no name, or an unknown role.
        """
        if role not in ROLES:
            raise InputError(f"role {role!r}", "is unknown", f"Use {' or '.join(ROLES)}", code="role-unknown")
        if not NAME.fullmatch(name) or name.lower() == OWNER:
            remedy = "Use letters, digits, spaces and . @ - _, 60 at most"
            raise InputError(f"name {name!r}", "cannot be that of a token", remedy, code="token-name")
        make_home(self.path.parent)
        with self._lock():
            holders = self.read()
            if any(one.name.lower() == name.lower() for one in holders):
                raise InputError(f"name {name!r}", "has a token", "Revoke it first", code="token-name-taken")
            token = f"medssl_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
            self._write([*holders, Holder(name, role, token_id(token), token_key(token), time.time())])
        return token

    def revoke(self, name: str) -> None:
        """Make the token of that name useless, at once.

        Raises:
            NotFoundError: none has it.
        """
        with self._lock():
            holders = self.read()
            left = [one for one in holders if one.name != name]
            if len(left) == len(holders):
                raise NotFoundError(
                    f"token {name!r}", "does not exist", "See `medssl tokens list`", code="token-not-found"
                )
            self._write(left)

    def _write(self, holders: list[Holder]) -> None:
        write_json(self.path, [asdict(one) for one in holders], mode=0o600)

    def _lock(self) -> AbstractContextManager[object]:
        return hold(FileLock(self.path.with_suffix(".lock")), -1)


class TokenBook:
    """The tokens as a running server knows them.

    Args:
        home: the home folder.
        token: the owner's.
    """

    def __init__(self, home: Path, token: str) -> None:
        self._owner = Holder(OWNER, RUN, key=token_key(token))
        self._file, self._seen, self._named = TokenFile(home), None, list[Holder]()

    def holder(self, authorization: str) -> Holder | None:
        """Whose token an `Authorization` header carries; all keys are compared, each in constant time."""
        scheme, _, token = authorization.partition(" ")
        key, found = token_key(token), None
        for one in (self._owner, *self._current()):
            if hmac.compare_digest(one.key, key):
                found = one
        return found if scheme == "Bearer" and token else None

    def key(self, id: str) -> str | None:
        """The key of the token with this id; "" means the owner's."""
        return next((one.key for one in (self._owner, *self._current()) if one.id == id), None)

    def _current(self) -> list[Holder]:
        seen = self._stamp()
        if seen != self._seen:
            try:
                self._named = self._file.read()
            except InputError as error:  # closed to all but the owner, who can mend it
                self._named = []
                print(error, file=sys.stderr, flush=True)
            self._seen = seen
        return self._named

    def _stamp(self) -> Any:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
