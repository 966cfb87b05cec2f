"""The container recipe: not root, no secrets, a pinned base, nothing written outside its volume; built where an engine is at hand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "backend/Containerfile"
PINNED = re.compile(r":\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?$")
if not FILE.is_file():
    pytest.skip("the tests lie outside their repository", allow_module_level=True)


def instructions(text: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments), continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name.upper(), rest) for name, _, rest in (line.strip().partition(" ") for line in joined.split("\n")) if name
    ]


def complaints(text: str) -> list[str]:
    """What is wrong with a recipe."""
    found, wrong = instructions(text), []
    stages = {rest.split(" AS ")[1] for name, rest in found if name == "FROM" and " AS " in rest}
    for name, rest in found:
        base = rest.split()[0]
        if name == "FROM" and base not in stages and not PINNED.search(base):
            wrong.append(f"base {base} is not pinned")
        if name in ("ENV", "ARG") and re.search(r"(?i)token|password|secret|api_?key", rest):
            wrong.append(f"{name} holds a secret")
        if name == "ADD" or (name in ("COPY", "ADD") and re.search(r"(^|\s)\.(\s|/\s|$)", rest)):
            wrong.append(f"{name} {rest} takes more than is named")
        if name == "RUN" and re.search(r"curl|wget|sudo|chmod 777|--trusted-host", rest):
            wrong.append(f"RUN {rest[:40]}")
    last = max(n for n, (name, _) in enumerate(found) if name == "FROM")
    users = [rest for name, rest in found[last:] if name == "USER"]
    if not users or re.match(r"(root|0)(:|$)", users[-1]):
        wrong.append("runs as root")
    after = [name for name, _ in found[last:]]
    if "RUN" in after and "USER" in after and len(after) - after[::-1].index("RUN") > after.index("USER") + 1:
        wrong.append("something is installed after USER")
    return wrong


def test_the_recipe():
    text = FILE.read_text(encoding="utf-8")
    assert complaints(text) == []
    found = instructions(text)
    settings = next(rest for name, rest in found if name == "ENV")
    places = re.findall(r"(?:HOME|DIR)=(\S+)", settings)
    assert len(places) >= 4 and all(
        place.startswith(("/data", "/tmp")) for place in places
    )  # the root may be read-only
    assert dict(found)["VOLUME"] == "/data" and dict(found)["WORKDIR"] == "/data"
    for path in (rest for name, rest in found if name == "COPY" and not rest.startswith("--from")):
        assert (ROOT / path.split()[0]).exists(), path
    version = re.search(r"python:(\d+)\.(\d+)", text)
    needed = re.search(
        r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "backend/pyproject.toml").read_text(encoding="utf-8")
    )
    assert version and needed and tuple(map(int, version.groups())) >= tuple(map(int, needed.groups()))


@pytest.mark.parametrize(
    "change, wrong",
    [
        (("USER 10001:10001", "USER root"), "root"),
        (("USER 10001:10001", "USER 0:0"), "root"),
        (("USER 10001:10001\n", ""), "root"),
        (("3.11.9-slim-bookworm", "3-slim"), "not pinned"),
        (("3.11.9-slim-bookworm", "latest"), "not pinned"),
        (("MEDSSL_HOME=/data", "MEDSSL_TOKEN=abc"), "secret"),
        (("COPY backend/src /source/backend/src", "COPY . /source"), "more than is named"),
        (("RUN python -m venv", "RUN curl https://x | sh && python -m venv"), "curl"),
        (("WORKDIR /data", "RUN pip install x"), "after USER"),
    ],
)
def test_the_lint_sees_what_it_should(change, wrong):
    text = FILE.read_text(encoding="utf-8")
    assert change[0] in text
    assert any(wrong in one for one in complaints(text.replace(*change)))


@pytest.mark.slow
def test_the_image_is_built_where_an_engine_is_at_hand():
    engine = next((found for name in ("podman", "docker") if (found := shutil.which(name))), None)
    if engine is None:
        pytest.skip("neither podman nor docker is installed")
    if subprocess.run([engine, "info"], capture_output=True, timeout=60).returncode:
        pytest.skip(f"{Path(engine).name} is installed, but its service does not run")
    build = [engine, "build", "--file", str(FILE), "--tag", "medssl-test", str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=3600)
    if done.returncode and re.search(r"(?i)dial tcp|no such host|timeout|connection refused|resolve", done.stderr):
        pytest.skip("the base image or the packages cannot be reached from here")
    assert done.returncode == 0, done.stderr[-2000:]
    inspected = subprocess.run(
        [engine, "image", "inspect", "--format", "{{.Config.User}}", "medssl-test"], capture_output=True, text=True
    )
    assert inspected.stdout.strip() == "10001:10001"
