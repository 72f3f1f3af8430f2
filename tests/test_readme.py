"""What the README says runs, and the commands it names exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import divergences
from divergences.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
CODE = [text for language, text in BLOCKS if language == "python"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# what a block without a language runs: remarks left out, the parts of a && b apart
SHELL = [
    shlex.split(command, comments=True)
    for language, text in BLOCKS
    if not language
    for line in text.splitlines()
    for command in line.split("&&")
]


def commands(program: str) -> list[list[str]]:
    return [words[1:] for words in SHELL if words and words[0] == program]


def test_python_blocks_run():
    program = "\n".join(CODE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "energy" in done.stdout


def test_the_first_use_is_fifteen_lines_of_code():
    assert len([line for line in CODE[0].splitlines() if line.strip()]) <= 15


def test_the_report_can_do_what_the_readme_says():
    methods = re.findall(r"also (.*)", CODE[0])[0]
    for name in re.findall(r"\.(\w+)\(\)", methods):
        assert callable(getattr(divergences.Report, name))


def test_make_has_its_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [words[0] for words in commands("make")]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_console_commands_have_their_options():
    assert "divergences" in PROJECT["scripts"]
    group = typer.main.get_command(app)
    assert {words[0] for words in commands("divergences")} == set(group.commands)
    for name, *words in commands("divergences"):
        known = {option for parameter in group.commands[name].params for option in parameter.opts}
        assert {word for word in words if re.match("--?[a-z]", word)} <= known


def test_the_extras_exist():
    named = {
        extra
        for words in commands("pip")
        for inside in re.findall(r"\[(.*?)\]", " ".join(words))
        for extra in inside.split(",")
    }
    assert named
    assert named <= set(PROJECT["optional-dependencies"])
    assert (ROOT / "constraints.txt").exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+)`", README.split("## What is in it")[1]))))
def test_the_names_in_the_table_exist(name):
    assert name in {*divergences.__all__, "divergences", "metrics"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((.*?)\)", README))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
