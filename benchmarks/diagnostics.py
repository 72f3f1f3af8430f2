"""The page docs/diagnostics.md with its pictures: every diagnosis of ``gan diagnose``, run and written down.

    python benchmarks/diagnostics.py            # all, about three minutes on one core
    python benchmarks/diagnostics.py dirac      # one anew, the page from all kept results
    python benchmarks/diagnostics.py page       # only the page

Numbers are kept in benchmarks/results/diagnostics.json, pictures in docs/diagnostics/.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

from gan.commands.diagnose import DIAGNOSES, Asked, plain
from gan.diagnostics import pictures

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "diagnostics.json"
DOCS = HERE.parent / "docs"

INTRODUCTION = """\
# Looking into a run

A loss curve does not say whether a GAN is learning. These do. Each is a function of `gan.diagnostics` that
returns a record (numbers, arrays, a sentence); `gan.diagnostics.pictures` draws it, and `gan diagnose` does
both from a shell:

```
gan diagnose                                 # all of this page, a few minutes
gan diagnose dirac four-panels --out seen    # some of it
gan diagnose lipschitz --run gan-digits      # a run of yours: lipschitz, equilibrium, gradients
```

On the line nothing is sampled: P's density is known, Q's follows from the generator itself where it takes one
number of noise, and divergences are sums over a thousand cells. Written by
`python benchmarks/diagnostics.py`.
"""

# name → (heading, how it is done and how to read it)
SECTIONS = {
    "four-panels": (
        "Goodfellow's figure, from a run",
        """\
`four_panels(recipe)` trains on a mixture of two Gaussians and keeps the four moments that figure 1 of
Goodfellow et al. 2014 draws: (a) early in the run; (b) the discriminator trained on alone, the generator
held: now D = p/(p + q), as far as samples tell; (c) the generator moved alone, a few steps, up the slopes of
that D; going on would overshoot, as D stands still: hence the turns; (d) the end of the run, where D is 1/2
all over the data.""",
    ),
    "optimal-critic": (
        "Is the discriminator optimal?",
        """\
`optimal_critic(p, q)` trains a discriminator between two known densities and compares it with p/(p + q)
(proposition 1). What its value lacks bounds its error: V* − V ≥ 4 E(D − D*)² under ½(P + Q).""",
    ),
    "value": (
        "What the critic says, and what is true",
        """\
`value_along_training(recipe)`: V + log 4 is at most 2 JS for every discriminator and equal at the optimum
(theorem 1). The critic of the run lags behind; a copy trained on, the generator held, closes the gap. For
W1 objectives the same curve shows a critic's word that is no bound.""",
    ),
    "gradients": (
        "What is left for the generator",
        """\
`generator_gradients(model, dataset)` holds a generator (here of digits, at three ages) and trains a fresh
discriminator, as in figures 2 and 3 of Arjovsky & Bottou 2017. As D tells the two apart, the gradient of
log(1 − D) dies; that of −log D grows instead, and so does its spread between batches.""",
    ),
    "lipschitz": (
        "The Lipschitz constant of a critic",
        """\
`lipschitz(critic, real, fake)`: the steepest slope met at samples and between them is a lower bound, the
product of the layers' constants a proved upper one, in the space the networks see. Five critics after 500
iterations on the ring: penalties shape the slopes where the samples are and prove nothing; clipping leaves
far less slope than W1 allows; spectral normalisation bounds the constant by 1 (as far as its power
iterations have converged) and uses a third of it.""",
    ),
    "equilibrium": (
        "Is this a Nash equilibrium?",
        """\
`duality_gap(model, dataset)` trains a copy of each player against the other, held still, and values what it
gained on held-out data. For a zero-sum objective the sum of both gains is the duality gap (Grnarova et al.
2019). Training finds some of it, so it is a lower bound: a gain of several standard errors proves that this
is no equilibrium, none found proves little.""",
    ),
    "dirac": (
        "Which training converges: the Dirac-GAN",
        """\
`dirac(objective, update=…, regularizer=…)` plays the smallest GAN there is (Mescheder et al. 2018) with the
loop's own steps, losses and regularisers, and takes the eigenvalues of one step at the equilibrium. They
are the published ones: 1 ± ihf′(0) for simultaneous steps, on the unit circle for alternating ones, 1 +
h(−γ/2 ± √(γ²/4 − f′(0)²)) with R1 or R2. The penalties of WGAN-GP and DRAGAN have a kink at ψ = 0 and no
Jacobian there; one-sided ones and LeCam's vanish near it and change nothing. Spectral normalisation
leaves one weight only its sign: no game.""",
    ),
}


def main(names: list[str]) -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"found": {}}
    folder = DOCS / "diagnostics"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [] if names == ["page"] else names or SECTIONS:
        start = time.perf_counter()
        found, picture = DIAGNOSES[name](Asked())
        picture.figure.savefig(folder / f"{name}.png", dpi=110, facecolor="white")
        if name == "four-panels":
            pictures.film(found[0], folder / "four-panels.gif")
        records = {
            str(key): one for key, one in (found.items() if isinstance(found, dict) else enumerate(found))
        }
        kept["found"][name] = {
            "seconds": round(time.perf_counter() - start, 1), "alt": picture.alt, "caption": picture.caption,
            "records": {key: plain(one) for key, one in records.items()},
        }  # fmt: skip
        print(f"{name}: {kept['found'][name]['seconds']} s")
    kept["versions"] = {package: version(package) for package in ("numpy", "torch", "matplotlib")}
    kept["machine"] = platform.machine()
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (DOCS / "diagnostics.md").write_text(page(kept["found"]), encoding="utf-8")


def named(found: object) -> object:
    """Records with the names they have, or their number."""
    return found.items() if isinstance(found, dict) else enumerate(found)  # type: ignore[call-overload]


def page(found: dict) -> str:
    parts = [INTRODUCTION]
    for name, (heading, told) in SECTIONS.items():
        one = found[name]
        parts.append(
            f"## {heading}\n\n{told}\n\n![{one['alt']}](diagnostics/{name}.png)\n\n*{one['caption']}*\n"
        )
        if name == "four-panels":
            parts.append("![The same run as a film.](diagnostics/four-panels.gif)\n")
        said = [
            (f"{key}: " if not key.isdigit() else "") + record["says"]
            for key, record in one["records"].items()
        ]
        if name == "dirac":
            parts.append(table(one["records"].values()))
        else:
            parts.append("\n".join(f"- {line}" for line in said) + "\n")
    return "\n".join(parts)


def table(records: object) -> str:
    """Eigenvalues of each game and rule."""
    rows = [
        "| objective | regulariser | steps | eigenvalues | largest modulus | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for one in records:  # type: ignore[attr-defined]
        pairs = one.get("eigenvalues")
        shown = ", ".join(
            f"{real:.4f} {'+' if part >= 0 else '−'} {abs(part):.4f}i" for real, part in pairs or []
        )
        largest = (
            f"{max((real**2 + part**2) ** 0.5 for real, part in pairs):.6f}" if pairs else "none: a kink"
        )
        rows.append(
            f"| {one['objective']} | {one['regularizer']} | {one['update']} | {shown or 'none'} "
            f"| {largest} | {one['says'].split(': ')[1].split(' (')[0]} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone, or 'page'")
    given = parser.parse_args().names
    unknown = [name for name in given if name not in (*SECTIONS, "page")]
    if unknown:
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(SECTIONS)}, and page")
    main(given)
