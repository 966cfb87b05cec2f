"""The extension as CMake ships it: nothing forgotten, no names that collide, nothing third-party imported too early."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["MedSSLPretrain", "MedSSLInference"]
OWN = {*MODULES, "medssl", "MedSSLLib", *(f"{name}Lib" for name in MODULES)}
SLICER = {"numpy", "requests", "vtk", "qt", "ctk", "slicer"}  # what Slicer's own Python brings
FAKE_SLICER = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer/qt-scripted-modules)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/Nothing.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/Nothing.cmake)
"""
# As Slicer's own macro does: refuse what does not exist, then put everything below one flat folder.
FAKE_MACRO = """
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "nonexistent file '${file}'")
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    configure_file(${file} ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/${file} COPYONLY)
    install(FILES ${file} DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder})
  endforeach()
endfunction()
function(slicer_add_python_unittest)
endfunction()
"""


def shipped(module: str) -> list[Path]:
    """Every script and resource of a module that a user needs, relative to its folder."""
    folder = ROOT / module
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path.relative_to(folder) for path in files if path.name != "CMakeLists.txt")


def listed(module: str) -> list[str]:
    """What the module's CMakeLists.txt names, with its variables put in."""
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    variables = dict(re.findall(r"set\((\w+) ([^\s)]+)\)", text))
    names = re.findall(r"[\w${}/.-]+\.(?:py|ui|png|svg|json|xml|html|css)\b", text)
    for name, value in variables.items():
        names = [entry.replace(f"${{{name}}}", value) for entry in names]
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed(module):
    missing = {path.as_posix() for path in shipped(module)} - set(listed(module))
    assert not missing, f"not in {module}/CMakeLists.txt, so not shipped: {sorted(missing)}"


@pytest.mark.parametrize("module", MODULES)
def test_every_listed_file_exists(module):
    assert set(listed(module)) <= {path.as_posix() for path in shipped(module)}


def test_names_do_not_collide_in_the_flat_install():
    names = [path.as_posix().lower() for module in MODULES for path in shipped(module)]
    assert len(names) == len(set(names)), "two modules ship the same file name"


@pytest.mark.parametrize("icon", ["Resources/Icons/MedSSL.png", *(f"{m}/Resources/Icons/{m}.png" for m in MODULES)])
def test_icons(icon):
    with Image.open(ROOT / icon) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 128))


def module_scripts() -> list[Path]:
    return [ROOT / module / path for module in MODULES for path in shipped(module) if path.suffix == ".py"]


@pytest.mark.parametrize("path", module_scripts(), ids=lambda path: path.name)
def test_imports_at_file_scope(path):
    """Slicer imports every module when it starts: a package that its Python lacks would break all of them."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    imported = {name.split(".")[0] for name in file_scope_imports(tree)}
    foreign = imported - OWN - SLICER - set(sys.stdlib_module_names)
    assert not foreign, f"{path.name} imports {sorted(foreign)} at file scope"


@pytest.mark.parametrize("path", module_scripts(), ids=lambda path: path.name)
def test_runs_on_slicers_python(path):
    """Slicer 5.10 has Python 3.12; the text must compile, and be small enough to be read."""
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec")
    assert text.count("\n") <= 400


@pytest.mark.parametrize("module", MODULES)
def test_ui_files_are_rooted_in_a_mrml_widget(module):
    from xml.etree import ElementTree

    for path in (ROOT / module / "Resources/UI").glob("*.ui"):
        root = ElementTree.parse(path).getroot().find("widget")
        if path.stem == module:
            assert root.attrib["class"] == "qMRMLWidget"


def test_extensions_index_entry():
    entry = json.loads((ROOT / "MedSSL.json").read_text(encoding="utf-8"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert entry["category"] == re.search(r'EXTENSION_CATEGORY "(.+)"', cmake)[1] == "Training"
    assert entry["build_dependencies"] == []
    assert entry["scm_url"].removesuffix(".git") == re.search(r'MEDSSL_REPOSITORY "(.+)"', cmake)[1]


def test_licence_and_notice():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8").lower()
    assert "may be covered by\npatents" in notice and "non-commercial" in notice


@pytest.fixture(scope="module")
def trees(tmp_path_factory) -> list[Path]:
    """Configure and install against a stand-in for Slicer; the build and the install tree's module folder."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    slicer, build, prefix = (tmp_path_factory.mktemp(name) for name in ("slicer", "build", "prefix"))
    (slicer / "SlicerConfig.cmake").write_text(FAKE_SLICER)
    (slicer / "UseSlicer.cmake").write_text(FAKE_MACRO)
    (slicer / "Nothing.cmake").write_text("")
    source = tmp_path_factory.mktemp("source with a space") / "MedSSL"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "__pycache__", ".venv*", "build", "demo"))
    run("cmake", "-S", source, "-B", build, f"-DSlicer_DIR={slicer}", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--install", build)
    return [root / "lib/Slicer/qt-scripted-modules" for root in (build, prefix)]


def run(*command) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_build_and_install_tree_hold_everything(trees):
    package = ROOT / "backend/src/medssl"
    sources = [
        path.relative_to(package) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    for tree in trees:
        for module in MODULES:
            assert all((tree / path).is_file() for path in shipped(module))
        backend = tree / "MedSSLBackend"
        assert (backend / "pyproject.toml").is_file()
        assert all((backend / "src/medssl" / path).is_file() for path in sources)
    assert (trees[1] / "MedSSLBackend/NOTICE").is_file()


def test_the_backend_is_found_in_both_trees(trees):
    """The modules' own locator, run in a fresh Python where `medssl` is not installed."""
    code = "import sys; from MedSSLLib import backendLocator; import medssl.core.protocol; print(medssl.core.protocol.__file__)"
    for tree in trees:
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {code}"],
            capture_output=True, text=True, cwd=tree,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(tree)


def file_scope_imports(tree: ast.Module) -> list[str]:
    """Names imported when the file is, also inside top-level `if` and `try`; not those for type checkers only."""
    names, waiting = [], list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return names
