"""The documentation without building it: its code runs, its commands exist, its links lead somewhere.

``make docs`` builds the site and fails on any warning; what that would not notice is tested here.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

import divergences
import gan
from divergences import METRICS, DivergenceWarning

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
LINKED = {**PAGES, "README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
ELSEWHERE = {  # run by tests/integrations/test_docs_page.py, divergences/test_partial.py, laws/test_docs.py
    "integrations.md", "large.md", "laws.md",
}  # fmt: skip
BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = sorted([*DOCS.glob("examples/plot_*.py"), *DOCS.glob("theory/plot_*.py")])


def blocks(text: str, *languages: str) -> list[str]:
    return [code for language, code in BLOCK.findall(text) if language in languages]


# ── code ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", [name for name, text in PAGES.items() if ">>> " in text and name not in ELSEWHERE]
)
def test_a_page_prints_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = dict(METRICS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # the page is about something else
        result = doctest.testfile(str(DOCS / name), module_relative=False, optionflags=doctest.ELLIPSIS)
    for added in set(METRICS) - set(known):  # the page on adding a metric adds one
        del METRICS[added]
    assert result.attempted > 0
    assert result.failed == 0


def test_the_doctests_would_notice():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda _: None).failed == 1


@pytest.mark.parametrize(
    "name", [name for name, text in PAGES.items() if name not in ELSEWHERE and blocks(text, "python")]
)
def test_blocks_without_prompts_run(name, tmp_path):
    code = "\n".join(block for block in blocks(PAGES[name], "python") if ">>> " not in block)
    if code:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_title_and_a_picture(path):
    """That they run is shown by ``make docs``, which stops at an error."""
    source = path.read_text(encoding="utf-8")
    title, line = ast.get_docstring(ast.parse(source)).splitlines()[:2]
    assert set(line) == {"="}
    assert len(line) == len(title)
    assert "plt.show()" in source


def test_there_are_enough_examples():
    assert len(list(DOCS.glob("examples/plot_*.py"))) >= 12


# ── commands ────────────────────────────────────────────────────────────────────────────────

SHELL = [
    (name, words)
    for name, text in PAGES.items()
    for block in blocks(text, "", "sh", "bash", "shell")
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))
]


def test_there_are_commands_to_check():
    assert {words[0] for _, words in SHELL} >= {"divergences", "gan", "make", "pip"}


@pytest.mark.parametrize("program", ["divergences", "gan"])
def test_console_commands_and_options_exist(program):
    group = typer.main.get_command(importlib.import_module(f"{program}.cli").app)
    for page, (_, command, *words) in ((page, words) for page, words in SHELL if words[0] == program):
        known = {option for parameter in group.commands[command].params for option in parameter.opts}
        unknown = {word for word in words if re.match("--?[a-z]", word)} - known
        assert not unknown, (page, command, unknown)


def test_make_targets_and_scripts_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page, words in SHELL:
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), (page, words)
        if words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists(), (page, words)


# ── links ───────────────────────────────────────────────────────────────────────────────────


def anchors(text: str) -> set[str]:
    """The names that repository browsers, and MyST, give to headings."""
    prose = BLOCK.sub("", text)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", LINKED)
def test_relative_links_and_anchors_lead_somewhere(name):
    folder = ROOT if name == "README.md" else DOCS
    for target in re.findall(r"(?<!`)\]\(([^)\s]+)\)", BLOCK.sub("", LINKED[name])):
        if re.match(r"[a-z]+:", target):
            continue  # another site: make linkcheck
        path, _, anchor = target.partition("#")
        file = folder / path if path else folder / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("name", PAGES)
def test_doc_roles_lead_somewhere(name):
    for target in re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", PAGES[name]):
        source = target.replace("auto_examples", "examples").replace("auto_theory", "theory")
        source = source.replace("/index", "/GALLERY_HEADER") if "auto_" in target else source
        assert any((DOCS / f"{source}{ending}").exists() for ending in (".md", ".py", ".rst")), target


def test_every_page_is_in_a_table_of_contents():
    listed = {
        line.strip().split("<")[-1].rstrip(">")
        for text in PAGES.values()
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    }
    for name in PAGES:
        stem = name.removesuffix(".md")
        assert stem == "index" or any(re.fullmatch(entry.replace("*", ".*"), stem) for entry in listed), name


# ── reference ───────────────────────────────────────────────────────────────────────────────

REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("reference/*.md")))
WHOLE = set(re.findall(r"automodule:: ([\w.]+)", REFERENCE))  # modules documented with all of __all__
INSIDE = {  # parts whose public names are those of their package, or that are programs
    "divergences": {
        "classifier", "cli", "commands", "demo", "density_ratio", "evaluate", "frechet", "kernels",
        "neighbors", "parzen", "registry", "report", "results", "sinkhorn", "wasserstein",
    },
    "gan": {"cli", "commands"},
}  # fmt: skip


def public_modules() -> set[str]:
    """Modules without an underscore whose ``__all__`` is theirs to give."""
    found = set()
    for package in (divergences, gan):
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_") and module.name not in INSIDE[package.__name__]:
                found.add(f"{package.__name__}.{module.name}")
    return found


def test_the_package_is_documented_name_by_name():
    listed = set(re.findall(r"^   (\w+)$", REFERENCE, re.MULTILINE)) | set(
        re.findall(r"autodata:: (\w+)$", REFERENCE, re.MULTILINE)
    )
    modules = {"pmf", "gaussian", "laws", "testing"}
    assert set(divergences.__all__) - modules == listed


@pytest.mark.parametrize("name", sorted(public_modules()))
def test_a_public_module_is_documented(name):
    assert name in WHOLE or any(each.startswith(f"{name}.") for each in WHOLE), name


def test_documented_modules_declare_what_is_public():
    """Read, not imported: some need a library that may not be there."""
    assert {"gan", "divergences.pmf", "divergences.inference"} <= WHOLE
    for name in WHOLE:
        path = ROOT / name.replace(".", "/")
        source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(
            encoding="utf-8"
        )
        public = re.search(r"^__all__ = \[(.*?)\]", source, re.MULTILINE | re.DOTALL)
        assert public, name
        for table in re.findall(r'"([A-Z][A-Z_0-9]+)"', public[1]):  # data has no docstring to be found by
            assert re.search(rf"autodata:: [\w.]+\.{table}$|^(class|def) {table}\b", REFERENCE + source, re.M)
