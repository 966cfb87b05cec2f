"""Reads the panels' source and .ui files for names that real Slicer would not know."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from . import api, signatures

FORBIDDEN = {
    "QSignalBlocker",
    "QVariant",
    "QSignalSpy",
    "QtCharts",
    "QSvgWidget",
    "QWebSocket",
    "QThread",
    "Signal",
    "Slot",
}


def widgetsOf(uiFile: Path) -> dict[str, str]:
    """Widget name -> reference class of a .ui file ("QLabel" -> "qt.QLabel")."""
    widgets = ElementTree.parse(uiFile).getroot().iter("widget")
    return {w.get("name"): _qualified(w.get("class")) for w in widgets}


def _qualified(name: str) -> str:
    space = "ctk" if name.startswith("ctk") else "slicer" if name.startswith(("qMRML", "qSlicer")) else "qt"
    return f"{space}.{name}"


def uiProblems(uiFile: Path) -> list[str]:
    """What of a .ui file the application's loader would not make: classes without a Designer plugin, also among the declared
    ones, and properties that the reference lacks (dynamic ones, stdset="0", are free)."""
    root = ElementTree.parse(uiFile).getroot()
    declared = {custom.findtext("class") for custom in root.iter("customwidget")}
    used = {widget.get("class") for widget in root.iter("widget")} | declared
    problems = [
        f"{uiFile.name}: {name} becomes a plain QWidget" for name in sorted(used) if not api.loadableFromUi(name)
    ]
    for widget in root.iter("widget"):
        known = api.members(_qualified(widget.get("class")))
        if known is None:
            continue
        for prop in widget.findall("property"):
            if prop.get("stdset") != "0" and prop.get("name") not in known:
                problems.append(f"{uiFile.name}: {widget.get('class')} has no property {prop.get('name')}")
    return problems


class SourceScan(ast.NodeVisitor):
    """Collects in `problems` what a panel's source does that PythonQt or Slicer would refuse."""

    def __init__(self, path: Path, ui: dict[str, str]) -> None:
        self.path, self.ui, self.problems = path, ui, []
        self.locals: dict[str, str] = {}
        text = path.read_text(encoding="utf-8")
        self._isProgram = 'if __name__ == "__main__":' in text  # it runs outside of Slicer
        self.visit(ast.parse(text))

    def report(self, node: ast.AST, message: str) -> None:
        self.problems.append(f"{self.path.name}:{node.lineno}: {message}")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.locals = self.locals, {}
        self.generic_visit(node)
        self.locals = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        made = _dotted(node.value.func) if isinstance(node.value, ast.Call) else ""
        if isinstance(node.targets[0], ast.Name):
            self.locals.pop(node.targets[0].id, None)
            if made.startswith(("qt.Q", "ctk.ctk", "slicer.qMRML")) and made.count(".") == 1:
                self.locals[node.targets[0].id] = made
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _dotted(node.func)
        if name.startswith(("qt.Q", "ctk.ctk", "slicer.qMRML")) and name.count(".") == 1 and node.keywords:
            self.report(node, f"{name}: PythonQt knows no constructor keywords")
        self._checkCall(node, name)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("connect", "disconnect") and node.args:
            self._checkSignal(node, _dotted(node.func.value), node.args[0])
        if name == "isinstance" and _dotted(node.args[1]).startswith(("qt.", "ctk.")):
            self.report(node, "isinstance is False for PythonQt objects; use inherits")
        if name in ("threading.Thread", "exec_") and not self._isProgram:
            self.report(node, "Python threads starve while Qt's loop runs")
        self.generic_visit(node)

    def _checkCall(self, node: ast.Call, name: str) -> None:
        """Calls of recorded functions: `slicer.util.x(…)`, `SampleData.x(…)`, `SampleDataLogic.x(…)`, `Base.x(self, …)`."""
        name = f"SampleData.{name}" if name.startswith("SampleDataLogic.") else name
        open_ended = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        wrong = signatures.complaint(name, len(node.args), [k.arg for k in node.keywords]) if not open_ended else ""
        if wrong:
            self.report(node, wrong)

    def _checkSignal(self, node: ast.Call, owner: str, signature: ast.AST) -> None:
        """The signal that is named must exist in the class, or, where the class is not known here, in some class."""
        if not isinstance(signature, ast.Constant) or not isinstance(signature.value, str):
            return
        signal, parts = signature.value.partition("(")[0], owner.split(".")
        if "(" not in signature.value or not signature.value.endswith(")"):
            self.report(node, f"{signature.value!r} is no signature: PythonQt returns False and connects nothing")
        isUi = parts[:-1] in (["self", "ui"], ["ui"])
        kind = self.ui.get(parts[-1]) if isUi else self.locals.get(owner)
        known = api.signals(kind) if kind else None
        if signal not in (known if known is not None else api.everySignal()):
            self.report(node, f"{owner or 'nothing known'} ({kind}) has no signal {signal}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts = _dotted(node).split(".")
        if parts[0] in ("qt", "ctk") and len(parts) > 1:
            self._checkNamespace(node, parts)
        elif parts[:2] == ["slicer", "util"] and len(parts) == 3 and parts[2] not in api.reference()["slicer.util"]:
            self.report(node, f"slicer.util has no {parts[2]}")
        elif parts[:2] == ["slicer", "app"] and len(parts) == 3 and parts[2] not in api.reference()["slicer.app"]:
            self.report(node, f"slicer.app has no {parts[2]}")
        elif parts[0] == "slicer" and len(parts) > 1 and parts[1].startswith(("qMRML", "qSlicer")):
            if not api.reference()["classes"].get(".".join(parts[:2])):
                self.report(node, f"real Slicer has no {'.'.join(parts[:2])}, as far as was read")
        elif parts[:2] == ["self", "ui"] and len(parts) == 4:
            self._checkMember(node, self.ui.get(parts[2]), parts[2], parts[3])
        elif parts[0] == "ui" and len(parts) == 3:
            self._checkMember(node, self.ui.get(parts[1]), parts[1], parts[2])
        elif parts[0] in self.locals and len(parts) == 2:
            self._checkMember(node, self.locals[parts[0]], parts[0], parts[1])
        self.generic_visit(node)

    def _checkNamespace(self, node: ast.AST, parts: list[str]) -> None:
        name = ".".join(parts[:2])
        if parts[1] in FORBIDDEN:
            self.report(node, f"{name} is missing or useless in PythonQt")
        elif name in api.reference()["classes"] and api.reference()["classes"][name] is None:
            self.report(node, f"real Slicer has no {name}")
        elif len(parts) == 3:
            self._checkMember(node, name, name, parts[2])

    def _checkMember(self, node: ast.AST, kind: str | None, label: str, member: str) -> None:
        known = api.members(kind) if kind else None
        if kind is None:
            self.report(node, f"no .ui file names a widget {label}")
        elif known is not None and member not in known:
            self.report(node, f"{label} ({kind}) has no {member}")


def _dotted(node: ast.AST) -> str:
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(names)])
