"""The HTML report in a real browser: nothing on the console, every picture drawn, no script run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from divergences.evaluate import evaluate
from divergences.report import html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=4000",
]
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# Added to the copies under test only: what the page looks like goes into the body as text.
PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length]);
  const width = [document.documentElement.scrollWidth, innerWidth];
  const seen = {images, width, struck: window.struck === true};
  const note = document.createElement("pre");
  note.id = "seen"; note.textContent = JSON.stringify(seen);
  document.body.append(note);
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome here")


def _open(page: Path, profile: Path, width: int) -> tuple[str, str]:
    """The page's DOM after loading, and what the browser said."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def _console(log: str) -> list[str]:
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def page() -> str:
    """Two reports side by side, with a picture of every kind and names that would run if they could."""
    rng = np.random.default_rng(0)
    x = rng.random((80, 12))
    names = ('<script>window.struck = true</script><img src=x onerror="struck=true">', "a & b")
    options = {"names": names, "image_shape": (3, 4), "validation": rng.random((30, 12)), "rng": 0}
    reports = [evaluate(x, rng.random((70, 12)) ** p, ["energy", "pmf.kl"], **options) for p in (1, 2)]
    flat = evaluate(x[:, 0], rng.random(60), ["energy"], rng=0)
    return html.render([*reports, flat], title="A & <b>B</b>", introduction="<script>struck = true</script>")


@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_opens_without_complaint_and_draws_everything(page, tmp_path, width):
    path = tmp_path / "report.html"
    path.write_text(POLICY.sub("", page).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom, log = _open(path, tmp_path / "profile", width)
    assert _console(log) == []
    seen = json.loads(unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom)[1]))
    assert len(seen["images"]) == 2 * 5 + 3
    for complete, natural_width, described in seen["images"]:
        assert complete
        assert natural_width > 0
        assert described > 0
    assert seen["struck"] is False
    assert seen["width"][0] <= seen["width"][1]  # nothing sticks out sideways


def test_the_page_as_shipped_lets_nothing_run(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom, log = _open(path, tmp_path / "profile", 1280)
    assert 'id="seen"' not in dom
    assert any("Content Security Policy" in line for line in _console(log))
    path.write_text(page, encoding="utf-8")
    _, log = _open(path, tmp_path / "profile", 1280)
    assert _console(log) == []
