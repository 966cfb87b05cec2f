"""Where a file keeps its weights: state dicts inside others, under the names of wrappers, beside optimisers and settings.

The order in which several candidates are preferred stands in `ORDER`; the report says which one was taken and which others
there are, and `part` chooses another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from medssl.core.errors import WeightsError

PAIR = ("student", "teacher")  # parts of one network each, which go on learning together
AVERAGES = ("ema", "model_ema", "ema_model", "ema_state_dict", "ema_network", "swa", "averaged_model")
PLAIN = (
    "state_dict", "model", "model_state_dict", "model_state", "network_weights", "network", "net", "module", "weights", "params",
    "backbone",
)  # fmt: skip
ORDER = (
    PAIR[0],
    *PLAIN,
    PAIR[1],
    *AVERAGES,
)  # of several state dicts, the first of these is taken unless another is asked for
OTHERWISE = ("optim", "sched", "callback", "loop", "scaler", "hyper", "logg", "rng", "metric", "criterion", "loss")
INSIDE = (
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
)  # put into names wherever a module was wrapped
WRAPPERS = ("module", "model", "net", "network", "backbone", *PAIR, *AVERAGES)  # which names begin with, in this order
LEAST_SHARE = 0.2  # of the tensors, for a wrapper's to count as a network
DEEPEST = 4

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """One state dict of a file."""

    tensors: Tensors
    left_out: tuple[str, ...] = ()  # names beside it that no network wants: of losses, metrics


def parts_of(path: Path, content: Any) -> dict[str, Part]:
    """The state dicts of a file by name, the one to prefer first; "" is the name of an only one.

    A student and a teacher keep their names also where only one of them is there.

    Raises:
        WeightsError: two tensors whose names differ in their wrappers only.
    """
    found = {place: _clean(path, tensors) for place, tensors in _state_dicts(content, ())}
    common = _common(list(found))
    named: dict[str, Part] = {}
    for place, tensors in found.items():
        name, inside = _short(place, common, list(found))
        known = named[name].tensors if name in named else {}
        named[name] = Part({**known, **{".".join((*inside, n)): t for n, t in tensors.items()}})
    if "teacher" in named and "student" not in named and "state_dict" in named:
        named["student"] = named.pop("state_dict")  # as Ark's training script saved them
    if len(named) == 1:
        name, part = next(iter(named.items()))
        inner = _by_prefix(part.tensors)
        named = inner or {name if name in PAIR else "": part}
    return dict(sorted(named.items(), key=lambda item: _rank(item[0])))


def choose(path: Path, parts: dict[str, Part], part: str | None) -> str:
    """The part asked for; where none was asked for the first of `ORDER` (of Ark the teacher), or else what is there.

    Raises:
        WeightsError: the part asked for is not in the file, or none was and nothing tells which is meant.
    """
    names = [name for name in parts if name]
    if part is not None:
        fitting = [name for name in names if name == part] or [name for name in names if name.startswith(part)]
        if len(fitting) != 1:
            raise WeightsError(
                f"part {part!r} of {path}", f"is not there (the file holds {' and '.join(names) or 'no parts'})",
                f"Ask for {' or '.join(names)}" if names else "Leave the part out", code="part-missing",
            )  # fmt: skip
        return fitting[0]
    if "teacher" in parts and any(name.startswith("omni_heads.") for name in parts["teacher"].tensors):
        return "teacher"
    first = next(iter(parts))
    if len(parts) > 1 and _rank(first) == len(ORDER):
        raise WeightsError(
            path, f"holds several sets of weights ({', '.join(names)}), and none of them is the usual one",
            f"Ask for a part: {' or '.join(names)}", code="weights-ambiguous",
        )  # fmt: skip
    return first


def readings(part: Part) -> Iterator[Part]:
    """A part as it is, then without the wrappers that its names begin with, one after another."""
    yield part
    for wrapper in WRAPPERS:
        inner = {n.removeprefix(f"{wrapper}."): t for n, t in part.tensors.items() if n.startswith(f"{wrapper}.")}
        if inner and len(inner) >= LEAST_SHARE * len(part.tensors):
            beside = tuple(name for name in part.tensors if not name.startswith(f"{wrapper}."))
            yield from readings(Part(inner, (*part.left_out, *beside)))


def settings_of(content: Any) -> dict[str, Any]:
    """What a file says beside its weights: what is neither a tensor nor an optimiser's, of its outermost dict."""
    if not isinstance(content, Mapping):
        return {}
    return {str(key): value for key, value in content.items() if not isinstance(value, Tensor) and not _beside(key)}


def _state_dicts(content: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensors]]:
    """Mappings that hold tensors under names, and where; none of optimisers, nor single tensors beside a larger one inside."""
    if not isinstance(content, Mapping) or len(place) > DEEPEST:
        return
    inner = [
        one
        for key, value in content.items()
        if isinstance(key, str) and not _beside(key)
        for one in _state_dicts(value, (*place, key))
    ]
    tensors = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    if len(tensors) > max((len(found) for _, found in inner), default=0):
        yield place, tensors
    else:
        yield from inner


def _beside(key: Any) -> bool:
    return not isinstance(key, str) or any(word in key.lower() for word in OTHERWISE)


def _common(places: list[tuple[str, ...]]) -> int:
    """How many words all places begin with, where there are several."""
    if len(places) < 2:
        return 0
    return next(n for n in range(DEEPEST + 2) if len({place[: n + 1] for place in places}) > 1)


def _short(place: tuple[str, ...], common: int, places: list[tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """A place's name, and the words that its tensors' names need before them.

    Of a student or teacher that word, also where its backbone and head lie in dicts of their own; else as short as tells it
    from the others.
    """
    for name in PAIR:
        if name in place:
            rest = place[place.index(name) + 1 :]
            alone = sum(name in other for other in places) == 1
            return name, () if alone else rest
    for length in range(common + 1, len(place)):
        if sum(other[:length] == place[:length] for other in places) == 1:
            return ".".join(place[common:length]), ()
    return ".".join(place[common:]), ()


def _rank(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _by_prefix(tensors: Tensors) -> dict[str, Part]:
    """Networks side by side in one flat dict, as Lightning writes them; empty where there is one only."""
    bare = _without_common(tensors)
    groups: dict[str, Tensors] = {}
    for name, tensor in bare.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    large = [name for name, group in groups.items() if len(group) >= LEAST_SHARE * len(bare)]
    mine = [name for name in large if name in WRAPPERS]
    if not any(name in (*PAIR, *AVERAGES) for name in mine):
        return {}
    if len(mine) == 1 and mine[0] in AVERAGES:
        return {}
    beside = tuple(name for name in bare if name.partition(".")[0] not in mine)
    return {name: Part(groups[name], beside) for name in mine}


def _without_common(tensors: Tensors) -> Tensors:
    """Names without the wrapper that all of them begin with, as long as there is one."""
    for wrapper in ("module.", "model.", "net.", "network."):
        if tensors and all(name.startswith(wrapper) for name in tensors):
            return _without_common({name.removeprefix(wrapper): tensor for name, tensor in tensors.items()})
    return tensors


def _clean(path: Path, tensors: Tensors) -> Tensors:
    """Names without what wrappers put into them.

    Raises:
        WeightsError: two become one.
    """
    names = {name: _bare(name) for name in tensors}
    if len(set(names.values())) < len(names):
        twice = next(name for name in names if list(names.values()).count(names[name]) > 1)
        raise WeightsError(
            path, f"holds {names[twice]} twice, as {twice} and under another wrapper", "Give a file with one state dict",
            code="weights-ambiguous",
        )  # fmt: skip
    return {names[name]: tensor for name, tensor in tensors.items()}


def _bare(name: str) -> str:
    kept = [word for word in name.split(".") if word not in INSIDE]
    while len(kept) > 1 and kept[0] == "module":
        kept = kept[1:]
    return ".".join(kept)
