"""Counts in words, in the user's language: 1 volume, 2 volumes."""

from __future__ import annotations


def counted(count: int, one: str, several: str, **more) -> str:
    """A count as a sentence says it.

    Args:
        count: the number.
        one: the translated text for 1, such as "{count} volume".
        several: for every other number, such as "{count} volumes".
        more: what else the texts name.
    """
    return (one if count == 1 else several).format(count=f"{count:,}", **more)


def sentence(text: str) -> str:
    """A text with its final stop."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?", ":", "…", "...")) else f"{text}."
