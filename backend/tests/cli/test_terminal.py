"""What reaches a terminal is shown, never obeyed; what cannot be written ends in an error of ours."""

from __future__ import annotations

import errno
import io

import pytest

from medssl.cli import app
from medssl.cli.output import SafeConsole, complain, err, out, print_table, say, visible
from medssl.core.errors import InputError

EVIL = "scan\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\r.nii"
OBEYED = {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


def test_nothing_of_a_name_moves_the_terminal(monkeypatch):
    shown = visible(EVIL)
    assert (
        shown == "scan\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202egnp.exe\\r.nii"
        and visible("Größe\t1\nzwei") == "Größe\t1\nzwei"
    )
    for console in (out, err):
        file = io.StringIO()
        monkeypatch.setattr(console, "_file", file)
        console.print(EVIL, markup=False, highlight=False)
        assert "\\x1b[2J\\x9b31m\\u202egnp.exe" in file.getvalue() and not OBEYED & set(file.getvalue())
    monkeypatch.setattr(err, "_file", file := io.StringIO())
    complain(InputError(EVIL, f"is {EVIL}", EVIL))
    monkeypatch.setattr(out, "_file", more := io.StringIO())
    print_table((EVIL,), [(EVIL,)], EVIL)
    for text in (file.getvalue(), more.getvalue()):
        assert text and not OBEYED & set(text)


def test_colours_of_our_own_still_reach_it():
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print("[bold red]Error[/]")
    assert "\x1b[1;31m" in console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_path_is_whole_for_programs_and_visible_for_people(monkeypatch, terminal):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stdout", stream)
    say(EVIL)
    assert stream.getvalue() == (visible(EVIL) if terminal else EVIL) + "\n"


@pytest.mark.parametrize(
    "number, code", [(errno.EROFS, "file-unwritable"), (errno.EACCES, "file-unwritable"), (errno.ENOSPC, "disk-full")]
)
def test_a_home_that_cannot_be_written_is_an_error_of_ours(monkeypatch, capsys, number, code):
    def fail():
        raise OSError(number, "no", "/the/home")

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit):
        app.main()
    shown = capsys.readouterr().err
    assert code in shown and "/the/home" in shown and "Traceback" not in shown
