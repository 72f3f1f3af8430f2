"""The shape of the package as tests: who may import whom, what is public, what loading it costs."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "divergences"

# A file imports only from strictly lower layers. A folder is one entry: the files in it may import
# one another as long as that makes no cycle.
LAYERS = [
    {"_arrays", "_line_kernels", "_progress", "_quantiles", "_rows"},
    {"_inputs", "registry", "results"},
    {"_features", "_gaussian_kernels", "_histogram", "_line", "_moments", "_pairwise", "fdivergence"},
    {"_neighbor_search"},
    # one family of measures a file
    {
        "classifier",
        "gaussian",
        "kernels",
        "neighbors",
        "parzen",
        "pmf",
        "sinkhorn",
        "transport",
    },
    {"critic", "frechet", "partial", "wasserstein"},
    {"density_ratio"},  # one of its estimators is a trained critic
    {"inference", "laws"},
    {"_record"},
    {"_canvas", "evaluate", "readers", "testing"},
    {"_evidence_pictures"},
    {"integrations", "plots"},
    {"report"},
    {"__init__"},  # the public names; importing it fills METRICS
    {"_shell", "demo"},  # programs that use them, like the command line
    {"commands"},
    {"cli"},
    {"__main__"},
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

# The edges that go up, each with its reason; they must stay inside functions.
LAZY_EDGES = {
    ("inference", "report"): "a Comparison renders itself (html), which loads the renderer when asked",
    ("_record", "report"): "a Report renders itself (html, print), which loads the renderer when asked",
}

# Who may load torch by name, and why. Everybody else asks _arrays.
TORCH = {
    "_arrays": "the one file that knows NumPy from torch",
    "critic.networks": "networks: nothing in it has a NumPy side",
    "critic.training": "trains them",
    "integrations.torchmetrics": "a torchmetrics.Metric: its states are tensors",
    "integrations.training": "judges torch modules while they train",
    "laws.agreement": "gradients by autograd, against differences",
    "laws.subject": "puts a function on trial with tensors",
    "readers.arrays": "a .pt file is torch's own format",
}


# ── the checker ─────────────────────────────────────────────────────────────────────────────


def sources() -> dict[str, str]:
    """Every file of the package by its dotted name below it: ``{"report.html": "..."}``."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def entry(module: str) -> str:
    """The table's entry for a dotted name: the file, or the folder it is in."""
    return module.split(".")[0]


def imports(module: str, source: str, modules: set[str]) -> list[tuple[str, int, bool]]:
    """What a file imports from the package: (dotted name, line, inside a function)."""
    found = []

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = from_base(module, node)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            names = []
        for name in names:
            if name.split(".")[0] == "divergences":
                found.append((resolve(name, modules), node.lineno, lazy))
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, lazy)

    visit(ast.parse(source), False)
    return found


def from_base(module: str, node: ast.ImportFrom) -> str:
    """The absolute package that a ``from … import`` starts at."""
    if not node.level:
        return node.module or ""
    parents = ["divergences", *module.split(".")][: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def resolve(name: str, modules: set[str]) -> str:
    """``divergences.report.html.render`` → ``report.html``; a name of the package itself → ``__init__``."""
    parts = name.split(".")[1:]
    while parts:
        dotted = ".".join(parts)
        if dotted in modules or f"{dotted}.__init__" in modules:
            return dotted
        parts.pop()
    return "__init__"


def offences(files: dict[str, str]) -> list[str]:
    """Every import that breaks the layers, and every file the table does not place."""
    found = []
    for module, source in files.items():
        own = entry(module)
        if own not in LAYER:
            found.append(f"{module}: not in LAYERS; place it in tests/test_architecture.py")
            continue
        for target, line, lazy in imports(module, source, set(files)):
            other = entry(target)
            if other not in LAYER:
                continue  # reported once, as a file
            inside_folder = own == other and "." in module
            allowed_up = lazy and (own, other) in LAZY_EDGES
            if not (LAYER[other] < LAYER[own] or inside_folder or allowed_up):
                found.append(
                    f"{module}:{line}: layer {LAYER[own]} imports {target} of layer {LAYER[other]}; "
                    "only strictly lower layers may be imported"
                )
    return found


def cycles(files: dict[str, str]) -> list[str]:
    """Files that reach themselves through imports at the top of the file."""
    graph = {
        module: {target for target, _, lazy in imports(module, source, set(files)) if not lazy}
        for module, source in files.items()
    }

    def reaches(start: str) -> bool:
        seen: set[str] = set()
        ahead = set(graph[start])
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead |= graph.get(module, set())
        return start in seen

    return [module for module in graph if reaches(module)]


def torch_loads(source: str) -> list[int]:
    """Lines that load torch: an import statement or ``importlib.import_module("torch…")``."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        if any(str(name).split(".")[0] == "torch" for name in names):
            lines.append(node.lineno)
    return lines


def calls(source: str, name: str) -> list[int]:
    """Lines that call the builtin ``name``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


# ── the checker can fail ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        (
            "_arrays",
            "from divergences.registry import metric",
            f"_arrays:1: layer {LAYER['_arrays']} imports registry of layer {LAYER['registry']}",
        ),
        (
            "_arrays",
            "def f():\n    import divergences.evaluate",
            f"_arrays:2: layer {LAYER['_arrays']} imports evaluate",
        ),
        (
            "pmf",
            "from divergences import evaluate",
            f"pmf:1: layer {LAYER['pmf']} imports evaluate of layer {LAYER['evaluate']}",
        ),
        (
            "pmf",
            "from . import evaluate",
            f"pmf:1: layer {LAYER['pmf']} imports evaluate of layer {LAYER['evaluate']}",
        ),
        ("pmf", "from .report.html import render", f"pmf:1: layer {LAYER['pmf']} imports report.html"),
        (
            "pmf",
            "if 1:\n    from divergences.gaussian import fit",
            f"pmf:2: layer {LAYER['pmf']} imports gaussian of layer {LAYER['gaussian']}",
        ),
        ("pmf", "import divergences", f"pmf:1: layer {LAYER['pmf']} imports __init__"),
        ("pmf", "from divergences import METRICS", f"pmf:1: layer {LAYER['pmf']} imports __init__"),
        (
            "evaluate",
            "from divergences.report import html",
            f"evaluate:1: layer {LAYER['evaluate']} imports report.html",
        ),
        ("newcomer", "", "newcomer: not in LAYERS; place it"),
        ("report.html", "from ..cli import main", f"report.html:1: layer {LAYER['report']} imports cli"),
    ],
)
def test_the_checker_reports_an_offence(module, source, message):
    files = dict.fromkeys(
        ["registry", "gaussian", "pmf", "evaluate", "report.html", "report.__init__", "cli"], ""
    )
    found = offences({**files, module: source})
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_record", "def to_html():\n    from divergences.report import html"),
        ("report.html", "from divergences.report import wording"),
        ("report.html", "from . import wording\nfrom .wording import size"),
        ("pmf", "from divergences.registry import metric\nimport numpy\nfrom os import path"),
        ("cli", "import divergences"),
    ],
)
def test_the_checker_lets_pass_what_is_allowed(module, source):
    files = dict.fromkeys(
        ["registry", "_record", "report.html", "report.wording", "report.__init__", "cli"], ""
    )
    assert offences({**files, module: source}) == []


def test_the_checker_sees_a_cycle():
    files = {"report.a": "from . import b", "report.b": "def f(): from divergences.report import a"}
    assert cycles(files) == []
    assert cycles({**files, "report.b": "from divergences.report.a import f"}) == ["report.a", "report.b"]


def test_the_checker_sees_torch_and_print():
    assert torch_loads("import torch.nn\nif 1:\n    from torch import Tensor\nimport torchvision") == [1, 3]
    assert torch_loads("import importlib\nimportlib.import_module('torch')") == [2]
    assert torch_loads("import sys\nsys.modules['torch']") == []
    assert calls("print(1)\nconsole.print(2)", "print") == [1]


# ── the package ─────────────────────────────────────────────────────────────────────────────


def test_imports_go_down():
    assert offences(sources()) == []


def test_no_import_cycles():
    assert cycles(sources()) == []


def test_only_the_declared_files_load_torch():
    loading = {module for module, source in sources().items() if torch_loads(source)}
    assert loading <= set(TORCH), "ask divergences._arrays instead, or state the reason in TORCH"


def test_no_printing():
    printing = {module: calls(source, "print") for module, source in sources().items() if module != "cli"}
    assert {module for module, lines in printing.items() if lines} == set()


def test_assert_never_guards_anything():
    # python -O drops assert: what must hold is raised, what cannot happen is not written
    asserting = {
        module
        for module, source in sources().items()
        if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))
    }
    assert asserting == set()


# ── public names ────────────────────────────────────────────────────────────────────────────

# The public surface, fixed by the design; a name that does not exist yet may be missing.
SURFACE = {
    "kl", "reverse_kl", "js", "tv", "hellinger", "chi2", "renyi", "f_divergence", "FDivergence",
    "wasserstein", "sliced_wasserstein", "max_sliced_wasserstein", "sinkhorn_divergence",
    "transport", "Transport", "neural_dual",
    "energy", "cramer", "squared_mmd", "kid",
    "parzen_log_likelihood", "Parzen", "frechet", "classifier_two_sample",
    "precision_recall", "PrecisionRecall",
    "estimate", "two_sample_test", "compare_models", "evaluate", "Report",
    "Certificate", "Estimate", "Interval", "TestResult", "DivergenceWarning",
    "METRICS", "Metric", "metric", "parse",
    "gaussian", "laws", "pmf", "testing",
}  # fmt: skip


def importable() -> list[str]:
    """Every module but the program entry and folders whose ``__init__`` is no more than a docstring."""
    return [
        module
        for module, source in sources().items()
        if module != "__main__" and not (module.endswith("__init__") and len(ast.parse(source).body) < 2)
    ]


def in_ruffs_order(names: list[str]) -> list[str]:
    """CONSTANTS, then Classes, then functions: the order RUF022 keeps."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


@pytest.mark.parametrize("module", importable())
def test_all_is_there_true_and_in_order(module):
    name = "divergences." + module
    loaded = importlib.import_module(name.removesuffix(".__init__"))
    names = list(loaded.__all__)
    assert names == in_ruffs_order(names)
    assert len(names) == len(set(names))
    for public in names:
        assert hasattr(loaded, public), f"{name}.__all__ names {public}, which does not exist"


def test_the_public_names_are_the_designs():
    import divergences

    public = set(divergences.__all__) - {"__version__"}
    assert public <= SURFACE, "a public name is fixed by the design first"
    # the two modules whose functions stay in them have names in common with the top level
    modules = [module for module in importable() if entry(module) not in {"__init__", "pmf", "gaussian"}]
    existing = {
        name for module in modules for name in importlib.import_module(f"divergences.{module}").__all__
    }
    existing |= {module for module in modules if "." not in module} | {"pmf", "gaussian"}
    assert public >= SURFACE & existing, "what the design makes public is reachable from the top"
    assert set(divergences.__all__) <= set(dir(divergences))


# ── what loading it costs ───────────────────────────────────────────────────────────────────

HEAVY = ["torch", "ot", "numba", "matplotlib", "sklearn", "scipy", "pandas", "joblib", "rich", "typer", "PIL"]

PROBE = """
import json, sys, time
import numpy
start = time.process_time()
import divergences
seconds = time.process_time() - start
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
"""


def loaded_by(code: str, **environment: str) -> dict:
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return json.loads(answer.stdout)


def test_importing_the_package_loads_nothing_heavy():
    loaded = set(loaded_by(PROBE)["modules"])
    assert {module.split(".")[0] for module in loaded} & set(HEAVY) == set()
    assert "importlib.metadata" not in loaded, "reading the versions takes longer than all of our own code"


def test_importing_the_package_is_quick(tmp_path):
    # processor time after NumPy's own, the best of a few: a busy machine is not the package's doing.
    # About 0.09 s from byte code, which the first of them writes; 0.18 s where nothing may keep it.
    kept = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    assert min(loaded_by(PROBE, **kept)["seconds"] for _ in range(5)) < 0.15
