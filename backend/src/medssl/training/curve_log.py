"""Loss curves for other tools, beside `events.jsonl`: `losses.csv` and TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from medssl.core.tables import csv_lines, csv_reader


class CurveLog:
    """Writes every scalar to `losses.csv` (step, name, value) and to TensorBoard.

    A resumed run drops what an earlier one wrote beyond the checkpoint it goes on from.
    """

    def __init__(self, folder: Path, steps_done: int) -> None:
        self.path = folder / "losses.csv"
        rows = self._rows_until(steps_done)
        self._file = self.path.open("wb")
        self._file.write(csv_lines([("step", "name", "value"), *rows]))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=steps_done + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add one row per value."""
        self._file.write(csv_lines((step, name, repr(value)) for name, value in values.items()))
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._file.flush()

    def __enter__(self) -> CurveLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()

    def _rows_until(self, step: int) -> list[list[str]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            return [row for row in list(csv_reader(file))[1:] if len(row) == 3 and int(row[0]) <= step]
