"""Codes of errors, read from the source: which code is raised with which class, and an example of its rule.

`docs/reference.md` lists them, `backend/tests/test_codes_of_errors.py` holds what a code must be.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medssl.core import errors

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("backend/src/medssl", "MedSSLPretrain", "MedSSLInference")
CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.MedSSLError)
}


@dataclass(frozen=True)
class CodeUse:
    """A place that raises an error with a code of its own; values in the rule are "…"."""

    code: str
    kind: str
    rule: str
    file: str


def code_uses(root: Path = ROOT) -> list[CodeUse]:
    """Every use of a code in the backend and the extension, by code."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [CodeUse(*use, path.relative_to(root).as_posix()) for use in _in_file(tree)]
    return sorted(found, key=lambda use: use.code)


def _in_file(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    assigned: dict[str, ast.expr] = {}  # what names such as `rule` were last set to
    for node in _in_order(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assigned |= dict(_parts(target, node.value))
        elif isinstance(node, ast.Call) and (kind := _name(node.func)) in CLASSES and len(node.args) > 1:
            rule = node.args[1]
            if isinstance(rule, ast.Name):
                rule = assigned.get(rule.id, rule)
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from ((code, kind, text) for code, text in _pairs(keyword.value, rule))


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes in the order of the text; `ast.walk` goes by depth."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _parts(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts):
            yield from _parts(one, part)


def _pairs(code: ast.expr, rule: ast.expr) -> Iterator[tuple[str, str]]:
    """Codes and their rules: one of each, or two by a condition. Codes that are passed on from an error are left out."""
    if isinstance(code, ast.IfExp):
        either = (rule.body, rule.orelse) if isinstance(rule, ast.IfExp) else (rule, rule)
        yield from _pairs(code.body, either[0])
        yield from _pairs(code.orelse, either[1])
    elif isinstance(code, ast.Constant):
        yield code.value, _text(rule)


def _text(node: ast.expr) -> str:
    """What an expression says, values as "…"; "" where it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.IfExp):
        return _text(node.body) or _text(node.orelse)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return re.sub(r"{\w*}", "…", _text(node.func.value))
    if isinstance(node, ast.Call) and _name(node.func) == "_" and node.args:
        return _text(node.args[0])
    return ""
