"""How a file's tensors fit a network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

COMPUTED = ("attn_mask", "relative_position_index")  # which a network makes of its own sizes, whatever a file says
DERIVED = ("num_batches_tracked", *COMPUTED)  # may be absent from a file


@dataclass(frozen=True)
class WeightReport:
    """How a file's tensors fit a network."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]  # the network has them, the file does not
    unexpected: tuple[str, ...]  # the file has them, the network does not
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # name, shape in the file, shape wanted
    left_out: tuple[str, ...] = ()  # the file has them, and no network here wants them (an ImageNet classifier)

    @property
    def complete(self) -> bool:
        """Every tensor of the network and of the file found its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    def counts(self) -> str:
        """How many tensors fell where."""
        counts = f"{len(self.matched)} matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected, {len(self.reshaped)} reshaped"
        return f"{counts}, {len(self.left_out)} left out" if self.left_out else counts

    def summary(self) -> str:
        """The counts, and the first few names of each kind that does not fit."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "reshaped": [name for name, _, _ in self.reshaped],
        }
        some = (
            f"{kind} {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" for kind, names in kinds.items() if names
        )
        return "; ".join([self.counts(), *some])

    def lines(self) -> list[str]:
        """The report as text, a line each for what does not fit."""
        return [
            self.counts(),
            *(f"missing     {name}" for name in self.missing),
            *(f"unexpected  {name}" for name in self.unexpected),
            *(
                f"reshaped    {name}: {list(had)} in the file, {list(wanted)} wanted"
                for name, had, wanted in self.reshaped
            ),
            *(f"left out    {name}" for name in self.left_out),
        ]


def compare(network: nn.Module, tensors: dict[str, Tensor], left_out: tuple[str, ...] = ()) -> WeightReport:
    """Hold tensors against a network's names and shapes; what a network derives itself is neither missing nor unexpected."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    had = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    common = [name for name in wanted if name in had]
    return WeightReport(
        matched=tuple(name for name in common if wanted[name] == had[name]),
        missing=tuple(name for name in wanted if name not in had and not name.endswith(DERIVED)),
        unexpected=tuple(name for name in had if name not in wanted and not name.endswith(DERIVED)),
        reshaped=tuple(
            (name, had[name], wanted[name])
            for name in common
            if wanted[name] != had[name] and not name.endswith(DERIVED)
        ),
        left_out=left_out,
    )
