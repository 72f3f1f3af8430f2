"""Every public function has a docstring with an example, and every example runs and is right."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import warnings

import pytest

import divergences

MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(divergences.__path__, "divergences.")
    if not any(part.startswith("_") for part in name.split(".")[1:])
)


def _public_callables() -> dict[str, object]:
    """What the package, ``pmf`` and ``gaussian`` export: functions, and the classes a user constructs."""
    found: dict[str, object] = {}
    for module in (divergences, divergences.pmf, divergences.gaussian):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                found[f"{module.__name__}.{name}"] = value
    for name in ("FDivergence", "Parzen"):
        found[f"divergences.{name}"] = getattr(divergences, name)
    return found


PUBLIC = _public_callables()
del PUBLIC["divergences.metric"]  # a decorator that enters its example into METRICS: its module shows one


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    with warnings.catch_warnings():
        # an example may show a number whose warning is beside the point; the tests judge warnings
        warnings.simplefilter("ignore", divergences.DivergenceWarning)
        module = importlib.import_module(name)
        failures, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failures == 0


def test_the_examples_are_found() -> None:
    count = sum(
        len(test.examples)
        for name in MODULES
        for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    )
    assert count > 60


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_has_a_docstring_with_an_example(name: str) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    first = text.split("\n", 1)[0]
    assert first, "no docstring"
    assert len(first) <= 110
    assert first[0].isupper() or not first[0].isascii() or first[0] in "½√"
    assert first.rstrip().endswith((".", "]", ")", ":")), first
    assert ">>> " in text, "no example"


def test_an_example_that_is_wrong_is_found() -> None:
    """The harness itself: a wrong number in a docstring fails."""
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(example, out=lambda _: None).failed == 1
