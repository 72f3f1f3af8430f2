"""Speed and memory against other libraries: ratios measured in one run, CPU seconds, medians.

    python benchmarks/speed.py transport            # all rows, each in its own process
    python benchmarks/speed.py transport --only 5000-2-uniform-W2 --runs 3
    python benchmarks/speed.py page                 # the tables of docs/speed.md from what is saved

Every measurement runs alone in a fresh process with one thread, so that its peak memory is its own;
compile time is spent on a small problem first and is not counted. Results are saved as JSON under
benchmarks/results, row by row: an interrupted run keeps what it has.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import page
from rows import common

RESULTS = Path(__file__).parent / "results"
GROUPS = {path.stem: path for path in sorted((Path(__file__).parent / "rows").glob("*.py"))}
for other in ("__init__", "common"):
    del GROUPS[other]


def rows_of(group: str) -> dict[str, common.Row]:
    return dict(importlib.import_module(f"rows.{group}").ROWS)


def run(group: str, only: list[str], runs: int) -> None:
    """The rows of one family, one after the other."""
    rows = rows_of(group)
    unknown = sorted(set(only) - set(rows))
    if unknown:
        raise SystemExit(f"no row {', '.join(unknown)} in {group}; there are {', '.join(rows)}")
    for name in only or rows:
        found = common.compare(group, name, rows[name], runs, RESULTS / f"speed_{group}.json")
        print(name, json.dumps(found), flush=True)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    commands = parser.add_subparsers(dest="group", required=True)
    for group in GROUPS:
        command = commands.add_parser(group, help=(importlib.import_module(f"rows.{group}").__doc__ or ""))
        command.add_argument("--only", nargs="+", default=[], metavar="ROW")
        command.add_argument("--runs", type=int, default=3)
    single = commands.add_parser("one", help="a single measurement, printed as JSON (what the others call)")
    for name in ("family", "name", "solver"):
        single.add_argument(name)
    single.add_argument("seed", type=int)
    commands.add_parser("page", help="write the tables of docs/speed.md from the saved results")
    arguments = parser.parse_args()
    if arguments.group == "page":
        print("written:", ", ".join(page.write()))
    elif arguments.group == "one":
        row = rows_of(arguments.family)[arguments.name]
        print(json.dumps(common.measure(row, arguments.solver, arguments.seed)))
    else:
        run(arguments.group, arguments.only, arguments.runs)


if __name__ == "__main__":
    main()
