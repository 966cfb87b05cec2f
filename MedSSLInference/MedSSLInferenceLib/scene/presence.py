"""What a run needs: given when it begins, still in the scene when it ends."""

from __future__ import annotations

from slicer.i18n import tr as _

from medssl.core.errors import InputError


def requireGiven(*needed) -> None:
    """Refuse to begin without what a run needs.

    Args:
        needed: (value, what it is, remedy) each.

    Raises:
        InputError: a value is None or empty.
    """
    for value, what, remedy in needed:
        if not value:
            raise InputError(what, _("is missing"), remedy, code="input-missing")


def requirePresent(nodes, remedy: str) -> None:
    """Refuse to go on without nodes that were there when the run began.

    Raises:
        InputError: one was removed from the scene.
    """
    for node in nodes:
        if node is None or node.GetScene() is None:
            name = node.GetName() if node is not None else _("an image")
            raise InputError(name, _("was removed from the scene meanwhile"), remedy, code="node-removed")
