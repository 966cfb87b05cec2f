"""What all demonstrations share: a backend of their own, and a training one can watch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medssl.cli.output import JobDisplay
from medssl.client import api, backend
from medssl.client.session import Session, connect
from medssl.core.protocol import DataSpec, JobView


@contextmanager
def backend_over(home: Path) -> Iterator[Session]:
    """A session with a backend over `home`, which ends with the block if it was started for it."""
    running = backend.find(home)
    session = connect(home)
    try:
        yield session
    finally:
        if running is None:
            session.send(api.shutdown())


def train(
    session: Session, data: DataSpec, method: str, preset: str, settings: dict[str, Any], events: list[dict[str, Any]]
) -> JobView:
    """Pretrain through the client, showing and keeping every event."""
    job = session.pretrain(data, method, preset, settings, name="demo", device="auto")
    with JobDisplay() as display:

        def on_event(event: dict[str, Any]) -> None:
            events.append(event)
            display.show(event)

        return session.wait(job.id, on_event)
