"""Published tables with our numbers beside: what was published, ours with its interval, budget, what differs.

    python benchmarks/truth.py papers                               # saved results, and what is cheap
    python benchmarks/truth.py papers --data PATH --run gmmn gmmn-pixels  # minutes: GMMN, 3 seeds each
    python benchmarks/truth.py papers --data PATH --run stacked     # minutes: stacked MNIST and its judge
    python benchmarks/truth.py papers --only bernoulli lines        # these anew, the page from all

PATH is the folder of MNIST's four files. What is found is kept in benchmarks/results/papers.json, from which
docs/papers.md is written. A row whose results are not there says by which command they come.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rows.common import versions

from divergences.report.files import json_text, write_text
from gan.comparison import median_interval, numbers

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "papers.md"
DEAR_SEEDS = (100, 101, 102)
Row = dict[str, Any]


def row(
    what: str, published: str, ours: str = "", interval: str = "", budget: str = "", differs: str = ""
) -> Row:
    return {
        "what": what, "published": published, "ours": ours or "not run", "interval": interval,
        "budget": budget, "differs": differs,
    }  # fmt: skip


# ── what is kept, and said of it ────────────────────────────────────────────────────────────


def saved(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    return numbers(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def between(value: dict[str, Any] | None, digits: int) -> str:
    if value is None or value.get("low") is None:
        return ""
    return f"{value['low']:.{digits}f} to {value['high']:.{digits}f}"


def parzen(kept: dict[str, Any]) -> list[Row]:
    """Goodfellow's table 1, MNIST's column, and what came after it."""
    found = saved("mnist_parzen")
    real = saved("parzen_mnist").get("rows", [])
    controls = {one["name"].split(" ", 1)[1]: one for one in found.get("controls", [])}
    rows = [
        row("deep belief net", "138 ± 2", "–", differs="not a model of this project"),
        row("stacked contractive autoencoder", "121 ± 1.6", "–", differs="not a model of this project"),
        row("deep GSN", "214 ± 1.1", "–", differs="not a model of this project"),
    ]
    for name, published, told in (
        ("mnist", "225 ± 2", "adversarial (relativistic pairing, R1 + R2)"),
        ("mnist-sliced", "–", "sliced Wasserstein, no critic"),
    ):
        if name in found:
            score, seconds = found[name]["summary"]["score"], found[name]["summary"]["cpu_seconds"]
            rows.append(row(
                f"{told}, code space", f"{published} (adversarial nets, pixels)" if published != "–" else "–",
                f"{score['median']:.1f}", between(score, 1), f"{found[name]['summary']['runs']} seeds, "
                f"at most {seconds:.0f} CPU s each",
                "an 8-d autoencoder's codes instead of pixels; the published nets trained for hours "
                "in pixels",
            ))  # fmt: skip
    curves = [(name.split(",")[0], run) for name, run in saved("mnist_curve").items() if name != "versions"]
    for name, told, differs in (
        ("mnist-pixels", "adversarial (relativistic pairing, R1 + R2), pixels", "other nets, another loss"),
        ("goodfellow", "adversarial, his nets and schedule", "its end, not the best on the way"),
    ):
        runs = [run for recipe, run in curves if recipe == name and "score" in run]
        if runs:
            score = median_interval([run["score"]["value"] for run in runs])
            seconds = max(run["cpu_seconds"] for run in runs)
            budget = f"{len(runs)} seed{'s' * (len(runs) > 1)}, at most {seconds / 60:.0f} CPU minutes each"
            rows.append(row(told, "225 ± 2", f"{score['median']:.1f}", between(score, 1), budget, differs))
    ours = "our autoencoder (8 codes, noise) and a mixture of five widths"
    for name, told, published, differs in (
        ("gmmn-pixels", "GMMN, pixels", "147 ± 2 [m]", "its layers; a mixture of five widths, Adam, minutes"),
        ("gmmn", "GMMN + autoencoder", "282 ± 2", ours),
    ):
        runs = list(kept.get(name, {}).get("runs", {}).values())
        score = median_interval([run["value"] for run in runs]) if runs else None
        budget = f"`truth.py papers --run {name}`"
        if runs:
            seconds = max(run["cpu_seconds"] for run in runs)
            budget = f"{len(runs)} seeds, at most {seconds:.0f} CPU s each"
        value = f"{score['median']:.1f}" if score else ""
        rows.append(row(told, published, value, between(score, 1), budget, differs))
    rows.append(row("adversarial autoencoder", "340 ± 2", "–", differs="not a model of this project"))
    subsets = [one["mean"] for one in real if one["grid"] == "goodfellow"]
    if subsets:
        score = median_interval(subsets)
        rows.append(row(
            "10,000 real training images", "243 [m]; 242.7 ± 2.1", f"{score['median']:.1f}",
            between(score, 1), f"{len(subsets)} choices of rows", "the same protocol",
        ))  # fmt: skip
    for key, published in (("k-means centroids", "313 [m]"), ("reconstructions", "331 to 340")):
        if key in controls:
            one = controls[key]
            rows.append(row(
                f"10,000 {key}", published, f"{one['value']:.1f}", f"± {one['standard_error']:.1f}", "one",
                "5 passes of Lloyd's algorithm" if "means" in key else "our autoencoder",
            ))  # fmt: skip
    rows.append(row(
        "adversarial nets, TFD", "2057 ± 26", differs="the database is not public",
        budget="by whoever has the file: `gan train --data \"tfd('PATH')\"`, then `gan evaluate`",
    ))  # fmt: skip
    return rows


def modes(kept: dict[str, Any]) -> list[Row]:
    """PacGAN's ring and grid; the other rows of its table stay as published."""
    published = {
        "ring": ("GAN 6.3 / 98.2 / .45; PacGAN2 7.9 / 95.6 / .07", 8),
        "grid": ("GAN 17.3 / 94.8 / .70; PacGAN4 24.8 / 93.6 / .04", 25),
        "subspace": ("VEEGAN 5.5 / 28.3 / –", 10),
    }
    found, rows = saved("modes"), []
    for name, (theirs, count) in published.items():
        if name not in found:
            rows.append(row(f"{name}: modes / high quality % / reverse KL", theirs, budget="`modes.py`"))
            continue
        table, runs = found[name]["summary"], found[name]["runs"]
        perfect = next(iter(runs.values()))
        differs = {
            "subspace": "distance of the centres and the 10σ rule are left open by the paper: see "
            "`gan.data` `subspace`; energy distance, no critic",
        }.get(
            name, "Fourier features, relativistic pairing, annealed R1 + R2, batch 2048; the nets are smaller"
        )
        rows.append(row(
            f"{name} of {count}: modes / high quality % / reverse KL", theirs,
            f"{table['modes']['median']:.0f} / {table['high_quality']['median']:.1f} / "
            f"{table['reverse_kl']['median']:.4f} (floor {perfect['reverse_kl_floor']:.4f})",
            f"{table['modes']['min']:.0f} to {table['modes']['max']:.0f} / "
            f"{table['high_quality']['min']:.1f} to "
            f"{table['high_quality']['max']:.1f} / {table['reverse_kl']['min']:.4f} to "
            f"{table['reverse_kl']['max']:.4f} (extremes)",
            f"{table['runs']} seeds, {table['cpu_minutes']['median']:.1f} CPU min each", differs,
        ))  # fmt: skip
    return rows


def stacked(kept: dict[str, Any]) -> list[Row]:
    """1,000 modes: three random digits, each labelled by the classifier."""
    published = "DCGAN 99 / 3.40; VEEGAN 150 / 2.95; PacDCGAN2 1000 / .06; R1 + R2 pairing 1000 / .029 [m]"
    runs = list(kept.get("stacked", {}).get("runs", {}).values())
    told = "modes / KL of 26,000 samples"
    if not runs:
        return [row(told, published, budget="`truth.py papers --run stacked`")]
    rows, seconds = [], max(run["cpu_seconds"] for run in runs)
    for key, name, differs in (
        ("generated", f"relativistic pairing in code space, {told}",
         "codes of one digit's autoencoder for each channel, not pixels: minutes instead of hours"),
        ("real", "real stacks of training digits", "digits are not quite equally frequent"),
        ("perfect", "perfect sampler: real test digits, even triples", "the classifier's errors stay"),
    ):  # fmt: skip
        values = {part: median_interval([run[key][part] for run in runs]) for part in ("modes", "kl")}
        kl = values["kl"]
        rows.append(row(
            name, published if key == "generated" else "floor about .0235 [m]" if key == "perfect" else "–",
            f"{values['modes']['median']:.0f} / {kl['median']:.4f}", between(kl, 4),
            f"{len(runs)} seeds" + (
                f", at most {seconds:.0f} CPU s each" if key == "generated" else ""
            ), differs,
        ))  # fmt: skip
    accuracy = runs[0]["accuracy"]
    rows.append(row(
        "accuracy of the classifier", "–", f"{100 * accuracy:.2f} %", "", "10,000 test digits",
        "aim 99 %: " + ("met" if accuracy >= 0.99 else "missed"),
    ))  # fmt: skip
    floor = runs[0]["generated"]["floor"]
    rows.append(row("mean KL of a perfect sampler and classifier", "–", f"{floor:.4f}", "exact", "–", ""))
    return rows


def lines(kept: dict[str, Any]) -> list[Row]:
    from papers_parts import toys

    found = [toys.lines(theta) for theta in (0.5, 2.0)]
    rows = []
    for one in found:
        rows += [
            row(f"JS, θ = {one['theta']:g}", f"log 2 = {math.log(2):.4f}", f"{one['js']['median']:.4f}",
                between(one["js"], 4), f"3 seeds, 2,000 rows a side, {one['cpu_seconds']:.0f} CPU s",
                "a critic's lower bound from samples (`neural_dual`)"),
            row(f"W1, θ = {one['theta']:g}", f"|θ| = {one['theta']:g}", f"{one['w1']['median']:.4f}",
                between(one["w1"], 4), "the same",
                "a 1-Lipschitz critic, from samples"),
        ]  # fmt: skip
    return rows


# θ*, m → published minimiser and values at it and at θ*; m = 3 is .2109 there in places, exactly .2107
BERNOULLI = {
    (0.6, 1): ("1", "0.4000 / 0.4800"), (0.6, 2): ("1/2", "0.2600 / 0.2880"),
    (0.6, 3): ("2/3", "0.2107 / 0.2304"), (0.6, 6): ("2/3", "0.1600 / 0.1659"),
    (0.6, 10): ("3/5", "0.1204 / 0.1204"), (0.1, 1): ("0", "–"), (0.1, 6): ("0", "–"),
    (0.1, 7): ("1/7", "0.0938 / 0.0957"),
}  # fmt: skip


def bernoulli(kept: dict[str, Any]) -> list[Row]:
    from papers_parts import toys

    rows = []
    for (theta, m), (minimiser, values) in BERNOULLI.items():
        one = toys.bernoulli(theta, m)
        rows.append(row(
            f"θ* = {theta:g}, m = {m}: minimiser; E W1 there / at θ*", f"{minimiser}; {values}",
            f"{one['minimiser']:.4f}; {one['value']:.4f} / {one['value_at_truth']:.4f}", "exact", "–",
            "a sum over the binomial; no sampling",
        ))  # fmt: skip
    return rows


def wgan(kept: dict[str, Any]) -> list[Row]:
    """ "A meaningful loss metric": the correlation that WGAN's figures 3 and 4 show by eye."""
    name, table = next(
        ((tier, found) for tier in ("standard", "smoke") if (found := _critics(f"losses_{tier}"))), ("", {})
    )
    if not table:
        return [row("rank correlation of loss and W1", "by eye", budget="`losses.py --tier standard`")]
    rows = []
    for critic, one in table.items():
        theirs = "falls as samples improve (figure 3)" if critic.startswith("wgan") else "does not (figure 4)"
        spearman, late, ratio = one["spearman"], one["late"], one["ratio"]
        if spearman["median"] is None:
            continue
        rows.append(row(
            f"{critic}: Spearman with exact W1 (after a third of the run); estimate / W1", theirs,
            f"{spearman['median']:.3f} ({late['median']:.3f}); {ratio['median']:.3g}", between(spearman, 3),
            f"{one['runs']} seeds, tier {name}", "the ring, exact W1 instead of looking at samples",
        ))  # fmt: skip
    return rows


def _critics(name: str) -> dict[str, Any]:
    from losses_parts.results import critic_table

    found = saved(name)
    return critic_table(found) if found.get("critics") else {}


def toy_critics(kept: dict[str, Any]) -> list[Row]:
    from papers_parts import toys

    rows = []
    for one in toys.critics():
        clipped = one["critic"] == "clipping"
        rows.append(row(
            f"{one['toy']}, {one['critic']}: estimate / W1; slope; weights at the largest magnitude",
            "far simpler functions than the optimum; weights at both ends of the clip" if clipped
            else "value surfaces follow the data; weights spread",
            f"{one['ratio']['median']:.3g}; {one['slope']['median']:.3g}; "
            f"{100 * one['at_limit']['median']:.1f} %",
            between(one["ratio"], 3) + " (estimate / W1)",
            f"3 seeds, {toys.STEPS} critic steps, {one['cpu_seconds']:.0f} CPU s in all",
            "numbers, not pictures; three hidden layers of 256 (there 512), fewer steps, higher rate",
        ))  # fmt: skip
    return rows


# name → (heading, what it is from, rows, whether it computes something)
SECTIONS: dict[str, tuple[str, str, Callable[[dict[str, Any]], list[Row]], bool]] = {
    "parzen": ("MNIST, Parzen log-likelihood", "Goodfellow et al. 2014, table 1; Li et al. 2015; Makhzani et "
               "al. 2016; Theis et al. 2016. Nats; ± of published rows is the standard error over "
               "test images, our interval is the bootstrap's over seeds. Code spaces lie above real training "
               "images: the trap of Parzen windows, so no claim of better samples.", parzen, False),
    "modes": ("Ring, grid and 1200 dimensions", "Lin et al. 2018 (PacGAN), tables 1 and 2; Srivastava et al. "
              "2017 (VEEGAN).", modes, False),
    "stacked": ("Stacked MNIST, quick tier", "Metz et al. 2017; Lin et al. 2018; Huang et al. 2024.", stacked,
                False),
    "lines": ("Parallel lines", "Arjovsky, Chintala & Bottou 2017, example 1.", lines, True),
    "bernoulli": ("The biased gradient of W1", "Bellemare et al. 2017: the θ where the expected W1 to "
                  "m samples is least is not θ*.", bernoulli, True),
    "wgan": ("Does the loss tell quality?", "Arjovsky, Chintala & Bottou 2017, fig. 3 and 4.", wgan, False),
    "toys": ("Critics on toys", "Gulrajani et al. 2017, figure 1: generator held at data plus Gaussian "
             "noise.", toy_critics, True),
}  # fmt: skip


def papers(arguments: argparse.Namespace) -> None:
    """Published tables with our numbers beside; docs/papers.md."""
    unknown = [name for name in arguments.only if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"--only takes {', '.join(SECTIONS)}; got {', '.join(unknown)}")
    kept = saved("papers")
    for name in arguments.dear:
        _dear(kept, name, arguments.data)
    sections = kept.setdefault("sections", {})
    for name, (_, _, make, computes) in SECTIONS.items():
        wanted = not arguments.only or name in arguments.only
        if (computes and name in sections and name not in arguments.only) or not wanted:
            continue
        start = time.process_time()
        sections[name] = make(kept)
        _save(kept)
        print(f"{name}: {len(sections[name])} rows, {time.process_time() - start:.0f} CPU s", flush=True)
    write_text(PAGE, page(kept))


def _dear(kept: dict[str, Any], name: str, folder: str | None) -> None:
    """Runs of minutes, seed by seed; what is there is not done again."""
    from papers_parts import digits

    if folder is None:
        raise SystemExit(f"--run {name} needs --data, the folder of MNIST's four files")
    runs = kept.setdefault(name, {}).setdefault("runs", {})
    for seed in DEAR_SEEDS:
        if str(seed) in runs:
            continue
        if name == "stacked":
            runs[str(seed)] = digits.stacked(folder, seed, RESULTS)
        else:
            recipe = digits.GMMN_PIXELS if name == "gmmn-pixels" else digits.GMMN
            runs[str(seed)] = digits.gmmn(folder, seed, recipe)
        _save(kept)
        print(name, seed, runs[str(seed)], flush=True)


def _save(kept: dict[str, Any]) -> None:
    kept["versions"] = versions()
    write_text(RESULTS / "papers.json", json_text(kept, indent=1) + "\n")


def page(kept: dict[str, Any]) -> str:
    parts = [
        "# Published tables, ours beside theirs", "",
        "Written by `python benchmarks/truth.py papers` from saved results. [m]: quoted from memory in our "
        "notes, not checked against the paper. \"Not run\" means just that; the command stands beside.", "",
    ]  # fmt: skip
    for name, (heading, source, _, _) in SECTIONS.items():
        rows = kept["sections"].get(name, [])
        parts += [f"## {heading}", "", source, ""]
        if not rows:
            parts += [f"Not run yet: `python benchmarks/truth.py papers --only {name}`.", ""]
            continue
        parts += [
            "| what | published | ours | interval | budget | what differs |",
            "|---|---|---|---|---|---|",
        ]
        keys = ("what", "published", "ours", "interval", "budget", "differs")
        parts += [
            "| " + " | ".join(one[key].replace("|", "\\|") or "–" for key in keys) + " |" for one in rows
        ]
        parts.append("")
    told = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    return "\n".join([*parts, f"{told}.", ""])
