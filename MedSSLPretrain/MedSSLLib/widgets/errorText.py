"""An error as the panels show it: what, why, and what to do."""

from __future__ import annotations

import html

from MedSSLLib.widgets.fitting import breakable, softLabel


def errorText(error: Exception) -> str:
    """Rich text of two lines: value and rule, then the remedy."""
    value, rule = getattr(error, "value", type(error).__name__), getattr(error, "rule", str(error))
    remedy = getattr(error, "remedy", "")
    text = f"<b>{_written(value)}</b> {_written(rule)}."
    return f"{text}<br>{_written(remedy)}." if remedy else text


def showError(label, error: Exception | None) -> None:
    """Show an error in a QLabel of the panel, or hide the label. Amber on dark and light themes alike."""
    label.visible = error is not None
    label.text = errorText(error) if error is not None else ""
    softLabel(label)
    label.styleSheet = (
        "QLabel { border-left: 4px solid #d9822b; padding: 4px 8px; background: palette(alternate-base); }"
    )


def _written(text: str) -> str:
    """As rich text that can be broken into lines: entities are written after the places to break were chosen."""
    return html.escape(breakable(str(text)))
