"""Progress bars: silent unless asked for or on a terminal, nested ones one display, nothing left behind."""

from __future__ import annotations

import io
import sys

import pytest

from divergences import _progress
from divergences._progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called in the test itself: pytest puts its own stderr back between a fixture and the test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    return stream


def test_silent_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (None, False):
        with Bar(3, show, "work") as bar:
            bar.advance()
    assert capsys.readouterr() == ("", "")


def test_a_bar_asked_for_shows_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with Bar(3, True, "counting") as bar:
        bar.advance(2)
    assert "counting" in terminal.getvalue()
    assert "67%" in terminal.getvalue()


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with Bar(3, None, "counting") as bar:
        bar.advance()
    assert terminal.getvalue() == ""


def test_long_work_on_a_terminal_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    with Bar(1.0, None, "counting") as bar:
        assert bar._timer is not None
        bar._timer.join()
        bar.reach(0.5)
        bar.reach(0.25)  # never back
    assert "50%" in terminal.getvalue()
    assert "25%" not in terminal.getvalue()


def test_inner_bars_are_lines_of_the_outer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    with Bar(2, True, "outer"):
        for _ in range(2):
            with Bar(4, None, "inner") as bar:
                bar.advance()
                assert bar._display is not None
                bar._display.refresh()
    assert "outer" in terminal.getvalue()
    assert "inner" in terminal.getvalue()


def test_a_silent_outer_bar_silences_the_inner(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with Bar(2, False), Bar(4, True) as bar:
        bar.advance()
    assert terminal.getvalue() == ""


def test_an_error_leaves_no_bar_open(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal_of(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Bar(2, True), Bar(3):
        raise KeyboardInterrupt
    assert _progress._open == []
