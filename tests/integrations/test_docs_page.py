"""docs/integrations.md: what it shows runs, the workflow's command too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "integrations.md"
TEXT = PAGE.read_text(encoding="utf-8")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "true"}


def test_the_page_prints_what_it_says(tmp_path):
    for library in ("torchmetrics", "pytorch_lightning", "mlflow", "tensorboard", "pandas", "polars"):
        pytest.importorskip(library)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "doctest", "-o", "ELLIPSIS", str(PAGE)],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert any((tmp_path / "runs").iterdir())
    assert TEXT.count(">>> ") > 50


def test_code_that_downloads_models_is_python():
    shown = re.findall(r"^```py\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert len(shown) == 2
    for code in shown:
        compile(code, str(PAGE), "exec")


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (9.0, 1)])
def test_the_workflow_of_five_lines_runs(tmp_path, shift, code):
    (steps,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    step = next(each["run"] for each in yaml.safe_load(steps) if "compare" in each.get("run", ""))
    rng = np.random.default_rng(0)
    np.save(tmp_path / "held_out.npy", rng.normal(size=(50, 2)))
    np.save(tmp_path / "model.npy", shift + rng.normal(size=(50, 2)))
    program = f"divergences() {{ '{sys.executable}' -m divergences \"$@\"; }}\n{step}"
    environment = {**ENVIRONMENT, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    done = subprocess.run(
        ["bash", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert ("frechet = " in done.stderr) == bool(code)
    assert "| frechet |" in (tmp_path / "summary.md").read_text(encoding="utf-8")
