"""losses.md and losses.html from the saved JSON alone: tables, pictures, and what they show, in sentences."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Any

from divergences.report import html
from divergences.report.files import write_text
from divergences.report.tables import Table
from gan.comparison import BETTER, numbers
from gan.evaluation.likelihood import TRAP
from losses_parts import drawings, words
from losses_parts.results import BUDGETS, CRITIC_MEASURES, critic_table, summary

ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
DIGITS = {"modes": 0, "high quality %": 1, "parzen": 2, "spread": 2, "precision": 3, "recall": 3}

# A table is sorted by a click on its head, by the number a cell begins with; what has none comes last.
SCRIPT = """
document.querySelectorAll('main table').forEach(table => {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement('button');
    button.textContent = head.textContent;
    head.replaceChildren(button);
    const value = row => {
      const text = row.cells[column].textContent.replace(/[,\\s]/g, '').replace('−', '-');
      const number = parseFloat(text);
      return Number.isNaN(number) ? (/^-?inf/.test(text) ? (text[0] === '-' ? -1 : 1) / 0 : text) : number;
    };
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      table.querySelectorAll('th[aria-sort]').forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      };
      body.append(...[...body.rows].sort(order));
    });
  });
});
"""
STYLE = """
th button { all: unset; cursor: pointer; white-space: nowrap; }
th button:focus-visible { outline: 2px solid var(--x); }
th button::after { content: " ↕"; color: var(--line); }
th[aria-sort=ascending] button::after { content: " ↑"; color: inherit; }
th[aria-sort=descending] button::after { content: " ↓"; color: inherit; }
.plain tbody th { position: sticky; left: 0; background: var(--paper); min-width: 8.5rem; }
.plain tbody th { overflow-wrap: normal; }
"""


def write(found: dict[str, Any], pages: Path) -> None:
    """``pages``/losses.md, its pictures in losses/, and losses/index.html with sortable tables."""
    found = numbers(found)
    folder = pages / "losses"
    folder.mkdir(parents=True, exist_ok=True)
    parts = sections(found)
    write_text(folder / "index.html", page(found, parts))
    write_text(pages / "losses.md", markdown(found, parts, folder))


# ── what both pages hold ────────────────────────────────────────────────────────────────────


def sections(found: dict[str, Any]) -> list[tuple[str, list[str], list[Table], list[Any]]]:
    """(heading, sentences, tables, pictures) of each part."""
    parts = [("All data sets together", words.overall(found), [rank_table(found)], [])]
    parts.append(("What is compared", words.design(found), [compared(found)], []))
    for name, one in found["data"].items():
        tables = [
            *(ranked_rows(one, budget) for budget in BUDGETS if summary(one, budget)), *controls(one),
            tuning(one),
        ]  # fmt: skip
        parts.append((name, words.of_data(name, one), tables, drawings.of_data(name, one)))
    if found["critics"]:
        parts.append(("What a critic's word is worth", words.critics(found), [critics(found)],
                      drawings.critics(found)))  # fmt: skip
    if found["slopes"]:
        parts.append(("What is left for the generator", words.slopes(found), [], drawings.slopes(found)))
    return parts


def compared(found: dict[str, Any]) -> Table:
    """Every objective: what it descends, what was tried, what an iteration counts."""
    rows = tuple(
        (name, one["spec"], one["descends"], f"{one['axis']} {' or '.join(f'{own:g}' for own in one['own'])}",
         str(one["gradients"]), one["reference"])
        for name, one in found["objectives"].items()
    )  # fmt: skip
    notes = (
        f"Each is tried at both of its settings and learning rates {found['rates'][0]:g} and "
        f"{found['rates'][1]:g} for both players. Lengths within a text are for the ring, and scale with the "
        "data.",
    )
    head = ("objective", "as gan names it", "descends", "tried at", "gradients an iteration", "source")
    return Table("Objectives", head, rows, notes, words=(0, 1, 2, 3, 5))


def rank_table(found: dict[str, Any]) -> Table:
    table, columns = words.ranks(found)
    rows = tuple(
        (name, *(words.short(row.get(column), 0) for column in columns),
         *(words.short(row.get(f"mean {budget}"), 1) for budget in BUDGETS))
        for name, row in table.items()
    )  # fmt: skip
    head = ("objective", *(f"{data}, {budget}" for data, budget in columns), "mean, CPU", "mean, gradients")
    notes = (
        "Places by the median of the measure each data set is ranked by, 1 the best; objectives half "
        "of whose "
        "runs failed come last. Small differences in place are not differences: look at the intervals.",
    )
    return Table("Places", head, rows, notes)


def ranked_rows(one: dict[str, Any], budget: str) -> Table:
    """A row for each objective, best first."""
    from losses_parts.results import ranked

    table = summary(one, budget)
    measures = sorted(_measures(table.values()), key=lambda name: name != one["headline"])
    told = {"cpu": f"{one['cpu']:g} CPU seconds", "gradients": f"{one['gradients']:,} gradient evaluations"}
    rows = []
    for name in ranked(table, one["headline"]):
        row = table[name]
        rows.append((
            name, f"{row['runs'] - row['failed']} of {row['runs']}",
            *(cell(row.get(measure), DIGITS.get(measure)) for measure in measures),
            words.short(row["cpu_seconds"]["median"], 1), f"{row['iterations']:,}",
        ))  # fmt: skip
    head = ("objective", "finished", *(f"{name} {ARROWS[BETTER[name]]}".strip() for name in measures))
    notes = ("Medians over the runs that finished; brackets: 95 % bootstrap interval of the median.",)
    title = f"{words.upper(words.BUDGET[budget])}: {told[budget]} a run"
    return Table(title, (*head, "CPU s", "iterations"), tuple(rows), notes)


def controls(one: dict[str, Any]) -> list[Table]:
    """Samples no generator made, under the same measures."""
    if one["controls"] is None:
        return []
    values = one["controls"]["values"]
    measures = _measures(values.values())
    rows = tuple(
        (name, *(words.short(row.get(measure), DIGITS.get(measure)) for measure in measures))
        for name, row in values.items()
    )
    notes = (
        f"{one['samples']:,} samples each (fewer where there are no more). Real, fresh data show the "
        f"floor of "
        "every measure at this size; the memoriser shows what a copy of the training rows would score.",
        *([TRAP] if any("parzen" in row for row in values.values()) else []),
    )
    head = ("samples", *(f"{name} {ARROWS[BETTER[name]]}".strip() for name in measures))
    return [Table("Controls", head, rows, notes)]


def tuning(one: dict[str, Any]) -> Table:
    """What was tried for each objective and what was chosen."""
    rows = []
    for name, trials in one["tuning"].items():
        scores = [trial["score"] for trial in trials]
        best = max((score for score in scores if score is not None), default=None)
        told = ", ".join(
            f"{'▸' if score is not None and score == best else ''}{trial['settings']['own']:g} / "
            f"{trial['settings']['rate']:g}: {'failed' if score is None else f'{score:.3g}'}"
            for trial, score in zip(trials, scores, strict=True)
        )
        rows.append((name, str(len(trials)), told))
    notes = (
        "Own setting / learning rate: score on validation rows (higher is better; "
        f"{'Parzen log likelihood' if one['criterion'] == 'parzen' else 'minus energy distance'}), by a seed "
        "that is not judged; ▸ is what was chosen.",
    )
    return Table("Settings tried", ("objective", "trials", "scores"), tuple(rows), notes, words=(0, 2))


def critics(found: dict[str, Any]) -> Table:
    rows = tuple(
        (name, f"{row['runs'] - row['failed']} of {row['runs']}",
         *(cell(row[key], 3) for key in CRITIC_MEASURES))
        for name, row in critic_table(found).items()
    )  # fmt: skip
    notes = (
        "Along runs on the ring: rank correlation (Spearman) of the critic's estimate with exact W1 of "
        "the very same rows, all along and after the first third of the run; the median of estimate "
        "over W1 (1 is right; of the others' estimates, which are of "
        "Jensen-Shannon divergences, it says nothing); mean slope |∇D| between real and fake rows, "
        "where W1's own potential has 1.",
    )
    return Table(
        "Critics", ("critic", "finished", "Spearman", "after a third", "estimate / W1", "slope"), rows, notes
    )


def _measures(rows: Any) -> list[str]:
    there = {name for row in rows for name in row}
    return [name for name in BETTER if name in there]


def cell(value: dict[str, Any] | None, digits: int | None = None) -> str:
    if value is None or value["median"] is None:
        return "–"
    told = words.short(value["median"], digits)
    if value.get("low") is not None:
        told += f" [{words.short(value['low'], digits)}, {words.short(value['high'], digits)}]"
    return told


# ── the two pages ───────────────────────────────────────────────────────────────────────────


def introduction(found: dict[str, Any]) -> str:
    seeds = sorted({
        int(seed) for one in found["data"].values() for budgets in one["runs"].values()
        for runs in budgets.values() for seed in runs
    })  # fmt: skip
    told = f"{seeds[0]} to {seeds[-1]}" if seeds else "none yet"
    smoke = "Its budgets are so small that it only shows that every part works. "
    return (
        f"Tier {found['tier']}. {smoke if found['tier'] == 'smoke' else ''}On each data set all objectives "
        "have the same networks, batch, schedule, number of tuning trials and budget: once equal CPU "
        "seconds, once equal gradient evaluations (a batch through one player's loss and back). "
        f"Seeds {told}; medians with bootstrap intervals, never the best run; runs that stop at NaN or a "
        "gradient past its limit are counted as failed. Losses without a published penalty have R1 + R2 as "
        "the relativistic one has. Settings were chosen at equal CPU time and are the same at equal gradient "
        "evaluations, where others might do better."
    )


def page(found: dict[str, Any], parts: list[Any]) -> str:
    bodies = []
    for heading, told, tables, pictures in parts:
        bodies.append(
            f"<section><h2>{escape(heading)}</h2>{html._bullets(told)}</section>"
            + "".join(table.html().replace("h2>", "h3>") for table in tables) + html._gallery(pictures)
        )  # fmt: skip
    lacks = [f"Missing: {line}." for line in found["missing"]]
    title, footer = "Which loss, on which data, at which budget", escape(versions(found))
    made = html.page(title, introduction(found), lacks, (), (), *bodies, footer=footer)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    made = made.replace(html.POLICY, f"{html.POLICY}; script-src 'sha256-{digest}'")
    return made.replace("</style>\n</head>", f"{STYLE}</style>\n</head>").replace(
        "</body>", f"<script>{SCRIPT}</script>\n</body>"
    )


def markdown(found: dict[str, Any], parts: list[Any], folder: Path) -> str:
    lines = [
        "# Which loss, on which data, at which budget", "", introduction(found), "",
        f"Written by `python benchmarks/losses.py --tier {found['tier']}` from "
        f"`benchmarks/results/losses_{found['tier']}.json`. The same tables, sortable, with all pictures: "
        "[losses/index.html](losses/index.html).", "",
    ]  # fmt: skip
    if found["missing"]:
        lines += ["**What this table lacks still** (the command above goes on where it was):", ""]
        lines += [*(f"- {line}" for line in found["missing"]), ""]
    for number, (heading, told, tables, pictures) in enumerate(parts):
        lines += [f"## {heading}", "", *(f"- {line}" for line in told), ""]
        for table in tables:
            # settings tried are many: they are in the other page
            if table.title != "Settings tried":
                lines += [table.markdown()]
        for k, picture in enumerate(pictures):
            if picture.figure is None:
                continue
            name = f"{number}-{k}.png"
            picture.figure.savefig(folder / name, dpi=110, facecolor="white")
            lines += [f"![{picture.alt}](losses/{name})", "", f"*{picture.caption}*", ""]
    return "\n".join([*lines, versions(found), ""])


def versions(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found["versions"].items()) + "."
