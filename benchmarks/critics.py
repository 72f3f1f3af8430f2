"""The hard exam for a W1 critic, rebuilt from its description (Korotin, Kolesov & Burnaev 2022).

u(x) = min_k (|x − a_k| + b_k) is 1-Lipschitz. P is uniform on a cube; every point moves along its ray toward
the centre of its funnel, t → t⁸ of the ray's length within cube and funnel, which keeps the order on each
ray. So Q has a known optimal plan: W1(P, Q) = E|x − T(x)|, u is an optimal potential, and ∇u is the true
gradient P-almost everywhere. Critics see fresh samples at every step; value and gradient are taken on 20,000
fresh ones.

    python benchmarks/truth.py critics [--dimensions 2 16 128] [--steps 2000] [--seeds 3]
    python benchmarks/truth.py critics --only duals     # neural_dual against closed forms, instead
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import nn

import divergences as dv
from divergences.critic import networks, training
from divergences.critic.dual import DUALS
from divergences.critic.neural import neural_dual
from divergences.fdivergence import FDIVERGENCES, FDivergence

HALF_SIDE = 2.5  # of the cube, and where centres are drawn
POWER = 8.0
FUNNELS = 16
BATCH = 512
JUDGED = 20_000  # fresh rows that value and gradient are taken on
SAMPLES = 4096  # rows a side that `transport` and `neural_dual` are given


@dataclass(frozen=True)
class Exam:
    """A pair (P, Q) with a known optimal map, and the rng its samples come from."""

    centres: np.ndarray
    heights: np.ndarray
    rng: np.random.Generator

    @classmethod
    def draw(cls, d: int, funnels: int, seed: int) -> Exam:
        rng = np.random.default_rng([seed, d, funnels])
        return cls(rng.uniform(-HALF_SIDE, HALF_SIDE, (funnels, d)), 0.1 * rng.normal(size=funnels), rng)

    def real(self, count: int) -> np.ndarray:
        return self.rng.uniform(-HALF_SIDE, HALF_SIDE, (count, self.centres.shape[1]))

    def funnel(self, x: np.ndarray) -> np.ndarray:
        """Which funnel each row is in."""
        return np.argmin(np.linalg.norm(x[:, None] - self.centres, axis=2) + self.heights, axis=1)

    def moved(self, x: np.ndarray) -> np.ndarray:
        """T(x), toward the centre of the funnel."""
        k = self.funnel(x)
        centre, height = self.centres[k], self.heights[k]
        distance = np.linalg.norm(x - centre, axis=1, keepdims=True)
        ray = (x - centre) / distance
        length = np.minimum(self._to_the_cube(centre, ray), self._to_other_funnels(centre, height, ray))
        share = np.minimum(distance / length[:, None], 1.0)
        return centre + ray * length[:, None] * share**POWER

    @staticmethod
    def _to_the_cube(centre: np.ndarray, ray: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.where(ray != 0, (np.sign(ray) * HALF_SIDE - centre) / ray, np.inf).min(axis=1)

    def _to_other_funnels(self, centre: np.ndarray, height: np.ndarray, ray: np.ndarray) -> np.ndarray:
        """Where |a + r·ray − a_k| + b_k = r + b first: r = (|c|² − δ²)/(2(δ + ray·c)), c = a_k − a."""
        across = self.centres - centre[:, None]
        rise = height[:, None] - self.heights
        below = 2.0 * (rise + np.einsum("nd,nkd->nk", ray, across))
        above = np.einsum("nkd,nkd->nk", across, across) - rise**2
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where((below > 0) & (above > 0), above / below, np.inf)
        return reach.min(axis=1)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """∇u at each row, a unit vector."""
        step = x - self.centres[self.funnel(x)]
        return step / np.linalg.norm(step, axis=1, keepdims=True)

    def batches(self, *, mirrored: bool) -> training.Batches:
        def draw() -> tuple[torch.Tensor, torch.Tensor]:
            pair = (
                torch.from_numpy(self.real(BATCH)).float(),
                torch.from_numpy(self.moved(self.real(BATCH))).float(),
            )
            return (pair[1], pair[0]) if mirrored else pair

        return draw


# ── the candidates ──────────────────────────────────────────────────────────────────────────


def spectral(x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """PyTorch's spectral normalisation of every layer: 1-Lipschitz up to its power iteration."""
    critic = networks.plain_critic(x.shape[1])
    for layer in critic:
        if isinstance(layer, nn.Linear):
            nn.utils.parametrizations.spectral_norm(layer)
    return critic


def orthogonal(x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return networks.OrthogonalCritic(x.shape[1], width=128)


def funnels(count: int) -> Callable[[torch.Tensor, torch.Tensor], nn.Module]:
    return lambda x, y: networks.FunnelCritic(y[:count])


CANDIDATES: dict[str, networks.Kind] = {
    "clipping": networks.CRITICS["clip"],
    "gradient penalty": networks.CRITICS["gradient-penalty"],
    "one-sided gradient penalty": networks.Kind(
        lambda x, y: networks.plain_critic(x.shape[1]), 1e-3, penalty=10.0, one_sided=True, betas=(0.5, 0.9)
    ),
    "spectral norm": networks.Kind(spectral, 1e-3),
    "orthogonal, GroupSort": networks.Kind(orthogonal, 1e-2, proved=True),
    "64 funnels": networks.Kind(funnels(64), 3e-2, proved=True),
    "256 funnels": networks.Kind(funnels(256), 3e-2, proved=True),
}


def examine(
    name: str, kind: networks.Kind, exam: Exam, steps: int, seed: int, *, mirrored: bool
) -> dict[str, Any]:
    """Train one critic on fresh samples and judge it. ``mirrored`` exchanges P and Q: the potential is −u."""
    start = time.process_time()
    batches = exam.batches(mirrored=mirrored)
    with training.seeded(seed, torch.device("cpu")):
        first = [torch.cat(parts) for parts in zip(batches(), batches(), strict=True)]
        critic = kind.make(*first)
        never = lambda candidate: float("nan")  # noqa: E731 - fresh samples cannot be overfitted: the last weights count
        training.fit(critic, kind, DUALS["wasserstein"], batches, never, steps=steps, keep_best=False)
        seconds = time.process_time() - start
        critic = critic.double().eval()
        x = exam.real(JUDGED)
        y = exam.moved(x)
        at = torch.from_numpy(x).requires_grad_(True)
        sign = -1.0 if mirrored else 1.0
        (slopes,) = torch.autograd.grad(sign * critic(at).sum(), at)
    gradient, found = exam.gradient(x), slopes.numpy()
    sizes = np.linalg.norm(found, axis=1)
    with torch.no_grad():
        value = sign * float(critic(torch.from_numpy(x)).mean() - critic(torch.from_numpy(y)).mean())
    if kind.clip is not None:
        value, found = value / sizes.max(), found / sizes.max()  # its unit is arbitrary
    truth = float(np.linalg.norm(x - y, axis=1).mean())
    cosine = np.einsum("nd,nd->n", found, gradient) / np.maximum(np.linalg.norm(found, axis=1), 1e-12)
    return {
        "critic": name, "seed": seed, "mirrored": mirrored, "proved 1-Lipschitz": kind.proved,
        "W1": truth, "value": value, "error %": 100 * (value / truth - 1),
        "gradient cosine": float(cosine.mean()),
        "gradient L2": float(np.mean(np.sum((found - gradient) ** 2, axis=1))),
        "largest slope": float(sizes.max()), "cpu seconds": seconds,
    }  # fmt: skip


def by_samples(exam: Exam, seed: int) -> list[dict[str, Any]]:
    """What exact transport, its potential and ``neural_dual`` say of 4,096 + 4,096 samples."""
    x, other = exam.real(SAMPLES), exam.real(SAMPLES)
    y, fresh = exam.moved(other), exam.real(JUDGED)
    truth = float(np.linalg.norm(other - y, axis=1).mean())
    rows = []
    for name, first in (("transport, y = T(x) of the same x", other), ("transport, independent", x)):
        start = time.process_time()
        answer = dv.transport(first, y)
        seconds = time.process_time() - start
        at = torch.from_numpy(fresh).requires_grad_(True)
        kept = dv.transport(torch.from_numpy(first), torch.from_numpy(y)) if first is x else None
        row = {
            "critic": name, "seed": seed, "W1": truth, "value": float(answer.cost),
            "error %": 100 * (float(answer.cost) / truth - 1), "certificate": [
                answer.certificate.lower, answer.certificate.upper], "cpu seconds": seconds,
        }  # fmt: skip
        if kept is not None:
            (slopes,) = torch.autograd.grad(kept.potential(at).sum(), at)
            row["gradient cosine"] = float(np.einsum("nd,nd->n", slopes.numpy(), exam.gradient(fresh)).mean())
        rows.append(row)
    start = time.process_time()
    found = neural_dual(x, y, rng=seed)
    rows.append({
        "critic": "neural_dual", "seed": seed, "W1": truth, "value": found.value,
        "error %": 100 * (found.value / truth - 1), "notes": list(found.notes),
        "certificate": [found.certificate.lower, found.certificate.upper],
        "cpu seconds": time.process_time() - start,
    })  # fmt: skip
    return rows


# ── neural_dual against closed forms ────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Gaussians:
    """N(shift·u, I) and N(0, I + (scale² − 1)·uuᵀ), u = (1, …, 1)/√d: the same divergences in every d."""

    shift: float
    scale: float
    rows: int
    without: tuple[str, ...] = ()

    def samples(self, rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = rng.normal(size=(n, d)) + self.shift / np.sqrt(d), rng.normal(size=(n, d))
        return x, y + (self.scale - 1) * y.mean(axis=1, keepdims=True)

    def truth(self, row: FDivergence) -> float:
        """Its integral along u, on which alone the ratio of the densities depends."""
        line = np.linspace(-20, 20, 400_001)
        p, q = norm.pdf(line, self.shift), norm.pdf(line, scale=self.scale)
        return float(np.sum(row.perspective(p, q))) * (line[1] - line[0])


HEAVY = ("chi2", "neyman_chi2")  # their averages are of the ratio's square: more rows for the same digits
HEAVY_ROWS = 1_000_000
GAUSSIANS = {
    "δ = 1": Gaussians(1.0, 1.0, 40_000),
    "δ = 0.5": Gaussians(0.5, 1.0, 160_000),  # a quarter of the divergence: rows for the same digits
    # the average of a squared ratio has e^(4δ²) times its variance at δ = 0: no number of rows that fits
    "δ = 2": Gaussians(2.0, 1.0, 40_000, HEAVY),
    # Neyman's is infinite, and so are the variances behind Pearson's
    "δ = 1, scale 1.5": Gaussians(1.0, 1.5, 160_000, HEAVY),
}


def duals(seeds: int) -> dict[str, Any]:
    """Every f-dual on Gaussians up to d = 8."""
    return {"rows": [row for problem in GAUSSIANS for row in duals_of(problem, seeds)]}


def duals_of(problem: str, seeds: int) -> list[dict[str, Any]]:
    gaussians, table = GAUSSIANS[problem], []
    for name in (*FDIVERGENCES, "nwj"):
        if name in gaussians.without:
            continue
        truth = gaussians.truth(FDIVERGENCES["kl" if name == "nwj" else name])
        n = HEAVY_ROWS if name in HEAVY else gaussians.rows
        for d in (1, 2, 4, 8):
            for seed in range(seeds):
                x, y = gaussians.samples(np.random.default_rng([seed, d]), n, d)
                found = neural_dual(x, y, divergence=name, steps=600, rng=seed)
                table.append({
                    "divergence": name, "problem": problem, "d": d, "n": n, "seed": seed, "truth": truth,
                    "value": found.value, "error %": 100 * (found.value / truth - 1),
                    "standard error %": 100 * (found.standard_error or 0.0) / truth,
                })  # fmt: skip
            print(problem, name, d, *(f"{row['error %']:+.1f} %" for row in table[-seeds:]), flush=True)
    return table


def lipschitz_duals(seeds: int) -> list[dict[str, Any]]:
    """W1 by ``neural_dual`` on mixtures in the plane and a shift in d = 64."""
    table: list[dict[str, Any]] = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        centres = np.array([[[0, 0], [4, 0], [0, 4]], [[1, 1], [5, -1], [-2, 3]]])
        plane = [c[rng.integers(3, size=4000)] + 0.5 * rng.normal(size=(4000, 2)) for c in centres]
        space = [rng.normal(size=(4000, 64)) + shift for shift in (0.0, 0.5)]  # |shift| = 4
        for name, (x, y), truth in (("mixtures, d = 2", plane, None), ("shift of 4, d = 64", space, 4.0)):
            found = neural_dual(x, y, rng=seed)
            exact = found.certificate.upper
            table.append({
                "divergence": "wasserstein", "problem": name, "seed": seed, "value": found.value,
                "exact W1 of the held-out rows": exact, "W1 of the distributions": truth,
                "certified lower bound": found.certificate.lower,
                "error %": 100 * (found.value / (truth or exact) - 1),
                "certificate %": 100 * (found.certificate.lower / exact - 1), "notes": list(found.notes),
            })  # fmt: skip
            print({key: value for key, value in table[-1].items() if key != "notes"}, flush=True)
    return table


# ── the run ─────────────────────────────────────────────────────────────────────────────────


def critics(arguments: argparse.Namespace) -> None:
    """The hard exam of W1 critics: every one's error in W1 and the cosine of its gradient."""
    from truth import save, versions

    known = {"versions": {**versions(), "torch": torch.__version__}}
    if arguments.only in ("duals", "w1"):
        found = duals(arguments.seeds) if arguments.only == "duals" else results("neural_dual")
        kept = [row for row in found["rows"] if row["divergence"] != "wasserstein"]
        save("neural_dual", {**found, **known, "rows": kept + lipschitz_duals(arguments.seeds)})
        return
    for d in arguments.dimensions:
        table: list[dict[str, Any]] = []
        if arguments.only == "samples":  # the others' rows stay
            found = results(f"critics_{d}")
            table = [
                row
                for seed in range(arguments.seeds)
                for row in by_samples(Exam.draw(d, FUNNELS, seed), seed)
            ]
            again = {row["critic"] for row in table}
            kept = [row for row in found["rows"] if row["critic"] not in again]
            save(f"critics_{d}", {**found, **known, "rows": kept + table})
            print(d, *table, sep="\n", flush=True)
            continue
        for seed in range(arguments.seeds):
            exam = Exam.draw(d, FUNNELS, seed)
            for mirrored in (False, True):
                for name, kind in CANDIDATES.items():
                    if mirrored and "funnel" not in name and "Group" not in name:
                        continue
                    table.append(examine(name, kind, exam, arguments.steps, seed, mirrored=mirrored))
                    print(
                        d,
                        {k: round(v, 3) if isinstance(v, float) else v for k, v in table[-1].items()},
                        flush=True,
                    )
            table += by_samples(exam, seed)
            print(d, *table[-3:], sep="\n", flush=True)
        save(f"critics_{d}", {
            **known, "d": d, "funnels": FUNNELS, "power": POWER, "steps": arguments.steps, "batch": BATCH,
            "rows": table,
        })  # fmt: skip
    write_page()


def results(name: str) -> dict[str, Any]:
    """What was saved under that name."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


MARKS = {"error %": "{:+.1f} %", "gradient cosine": "{:.3f}", "gradient L2": "{:.2f}"}


def gap(saved: list[dict[str, Any]]) -> float:
    """The widest certificate of transport, as a share of the value."""
    rows = [row for one in saved for row in one["rows"] if row["critic"].startswith("transport")]
    return max((row["certificate"][1] - row["certificate"][0]) / row["certificate"][1] for row in rows)


def write_page() -> None:
    """docs/critics.md, from the saved JSON alone."""
    here = Path(__file__).parent
    saved = [json.loads(path.read_text(encoding="utf-8")) for path in here.glob("results/critics_*.json")]
    saved.sort(key=lambda one: one["d"])
    names = list(dict.fromkeys(label(row) for one in saved for row in one["rows"]))
    lines = [
        "# How faithful is a W1 critic?", "",
        "The exam of Korotin, Kolesov & Burnaev 2022, rebuilt (`benchmarks/critics.py`): P uniform on a "
        "cube, Q its image under a known optimal map, so that W1 and the gradient of an optimal potential "
        "are known. Median over seeds of the error in W1, of the mean cosine between the critic's "
        "gradient and the true one, and of the mean square of their difference (L2; the true one has length "
        "1). Written by `python benchmarks/truth.py critics` from `benchmarks/results/critics_*.json`.", "",
        "| critic | " + " | ".join(f"d = {one['d']}: W1 | cosine | L2" for one in saved) + " |",
        "|---|" + "---|---|---|" * len(saved),
    ]  # fmt: skip
    for name in names:
        cells = []
        for one in saved:
            rows = [row for row in one["rows"] if label(row) == name]
            for key, form in MARKS.items():
                values = [row[key] for row in rows if key in row]
                cells.append(form.format(float(np.median(values))) if values else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Funnels, min_k |x − a_k| + b_k, are the class that the true potential belongs to; \"mirrored\" "
        "exchanges P and Q, so that it does not. Only the orthogonal and funnel critics are 1-Lipschitz by "
        "proof: their errors are never above 0 in expectation, where a penalised critic's may be. "
        "The funnels' centres start at rows of the second sample, where T has moved points towards the true "
        "centres. `transport` is proved exact for its samples (upper less lower bound: at most "
        f"{gap(saved):.0e} of the value in all runs here), which between independent samples is far above "
        "the W1 of the distributions in many dimensions; on the pairs (x, T(x)) it proves that the exam's "
        f"plan is optimal. `transport` and `neural_dual` see {SAMPLES:,} samples a side, the others "
        "fresh ones at every step.", "", *_measured(results("neural_dual")["rows"]), "",
    ]  # fmt: skip
    (here.parent / "docs" / "critics.md").write_text("\n".join(lines), encoding="utf-8")


def _measured(rows: list[dict[str, Any]]) -> list[str]:
    """The section on ``neural_dual`` against what is known."""
    transport = [row for row in rows if row["divergence"] == "wasserstein"]
    lines = [
        "## What does neural_dual measure?", "",
        "`python benchmarks/truth.py critics --only w1` and `--only duals`. W1 of 4,000 + 4,000 rows, error "
        "against the exact W1 of the held-out rows (mixtures) or of the distributions (shift); the "
        "certificate, the c-transform of the critic, against the exact W1 of the held-out rows, which it can "
        "never exceed. One number a seed.", "",
        "| problem | error | certificate |", "|---|---|---|",
    ]  # fmt: skip
    for name in dict.fromkeys(row["problem"] for row in transport):
        found = [row for row in transport if row["problem"] == name]
        cells = (", ".join(f"{row[key]:+.2f} %" for row in found) for key in ("error %", "certificate %"))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "", "f-divergences of N(δu, I) and N(0, I), |u| = 1, in d = 1, 2, 4 and 8; in the last rows the "
        "second has standard deviation 1.5 along u. Error against the integral, over d and seeds. The χ² are "
        "not asked where the averages behind them have a variance that no such number of rows brings down.",
        "",
        "| problem | divergence | truth | rows a side | median error | largest | beyond 10 % |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    others = [row for row in rows if row["divergence"] != "wasserstein"]
    for problem, name in dict.fromkeys((row["problem"], row["divergence"]) for row in others):
        found = [row for row in others if (row["problem"], row["divergence"]) == (problem, name)]
        errors = [row["error %"] for row in found]
        largest, beyond = max(errors, key=abs), sum(abs(error) > 10 for error in errors)
        lines.append(
            f"| {problem} | {name} | {found[0]['truth']:.4g} | {found[0]['n']:,} | "
            f"{np.median(errors):+.1f} % | {largest:+.1f} % | {beyond} of {len(errors)} |"
        )
    return lines


def label(row: dict[str, Any]) -> str:
    return row["critic"] + (", mirrored" if row.get("mirrored") else "")
