"""The package's shape: public names, examples that run, nothing printed or asserted, torch only on use."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import gan

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(gan.__path__, "gan.") if not name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_and_public_names_exist(name):
    module = importlib.import_module(name)
    assert module.__doc__
    names = list(module.__all__)
    assert names == sorted(names, key=lambda one: (not one.isupper(), not one[0].isupper(), one))
    assert all(hasattr(module, one) for one in names)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_the_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    count = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert count > 12


def test_public_names_are_reachable():
    assert all(getattr(gan, name) is not None for name in gan.__all__)
    assert set(gan.__all__) <= set(dir(gan))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        gan.trian  # noqa: B018


@pytest.mark.parametrize("path", sorted((ROOT / "gan").rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_is_printed_or_asserted(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in called


def test_importing_the_package_loads_nothing_heavy():
    code = "import gan, gan.cli, gan.data, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in json.loads(done.stdout)}
    assert not loaded & {"torch", "lightning_fabric", "matplotlib", "ot", "numba", "sklearn", "pandas", "PIL"}
