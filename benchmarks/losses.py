"""Which loss, on which data, at which budget: objectives × data sets × seeds at equal CPU and gradients.

    python benchmarks/losses.py --tier smoke                      # under two minutes: does it all work?
    python benchmarks/losses.py --tier standard --data PATH       # about two hours on two cores
    python benchmarks/losses.py --tier full --data PATH --jobs 8  # a night
    python benchmarks/losses.py --tier standard --page            # only the pages, from what is there

PATH is a folder that holds mnist/, fashion/ and cifar10/ as far as there are (or MNIST's four files); data
sets whose files are absent are left out and said so. Networks, batch, schedule and the number of tuning
trials are the same for all objectives on a data set; settings are chosen on validation rows by a seed that
is not judged. Every cell (data, objective, budget, seed) is a file of its own under OUT/cells, named by its
settings: a run that was cut off goes on where it was, and several may work at different --only at once.
Cells go through joblib: ``joblib.parallel_config(backend="dask")`` takes them to a cluster.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for workers, who import the parts by name

from losses_parts import design, problems, results, runs  # noqa: E402

SIDE = ("critics", "gradients")  # the two studies beside the table


def main(argv: list[str] | None = None) -> None:
    arguments = _arguments(argv)
    tier = design.TIERS[arguments.tier]
    out: Path = arguments.out or HERE / "results"
    cells = out / f"losses_{arguments.tier}"
    bench = runs.Bench(arguments.tier, str(cells), arguments.data)
    there = [name for name in tier.data if _present(name, arguments.data)]
    for name in sorted({*tier.data} - {*there}):
        print(f"{name}: its files are not under --data; left out", flush=True)
    known = results.restore(bench, out)
    if known:
        print(f"{known} cells taken up from losses_{arguments.tier}.json", flush=True)
    if not arguments.page:
        start = time.perf_counter()
        for part in arguments.only or [*there[:1], *SIDE, *there[1:]]:
            for stage in stages(bench, part, tuple(arguments.budgets)):
                _work(bench, stage, arguments.jobs)
        print(f"cells: {time.perf_counter() - start:.0f} s", flush=True)
    found = results.write(bench, out, pages=HERE.parent / "docs" if arguments.out is None else out)
    for line in found["missing"]:
        print(f"missing: {line}")
    if found["missing"] and arguments.tier == "smoke" and not (arguments.only or arguments.page):
        raise SystemExit("the smoke tier is there to be whole")


def stages(bench: runs.Bench, part: str, budgets: tuple[str, ...] = design.BUDGETS) -> list[Any]:
    """Lists of cells, each of which needs all of the one before; made when it is their turn."""
    if part == "critics":
        return [lambda: runs.critic_cells(bench)]
    if part == "gradients":
        return [lambda: runs.gradient_cells(bench)]
    tier = bench.tier
    return [
        lambda: [cell for name in design.names(tier) for cell in bench.trials(part, name)],
        lambda: [
            bench.controls(part),
            *(cell for each in design.cells(tier, part, budgets) if (cell := bench.run(*each)) is not None),
        ],
    ]


def _work(bench: runs.Bench, stage: Any, jobs: int) -> None:
    from joblib import Parallel, delayed

    todo = [cell for cell in stage() if bench.store.get(cell) is None]
    if todo and "data" in todo[0]:
        bench.problem(todo[0]["data"])  # an autoencoder is fitted here, once, before several ask for it
    done = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(
        delayed(runs.do)(bench, cell) for cell in todo
    )
    for number, line in enumerate(done, 1):
        print(f"{time.strftime('%H:%M:%S')} {number}/{len(todo)} {line}", flush=True)


def _present(name: str, folder: str | None) -> bool:
    what = design.DATA[name]
    return what.file is None or problems.path_of(what, folder) is not None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--tier", choices=design.TIERS, default="smoke")
    parser.add_argument("--data", metavar="PATH", help="the folder of the image files")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="cells at once (default: cores)"
    )
    parser.add_argument("--out", type=Path, help="another folder for cells, results and pages")
    parser.add_argument("--only", nargs="+", choices=[*design.DATA, *SIDE], help="these parts, in this order")
    parser.add_argument(
        "--budgets", nargs="+", choices=design.BUDGETS, default=design.BUDGETS, help="runs at these alone"
    )
    parser.add_argument("--page", action="store_true", help="run nothing, write results and pages anew")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
