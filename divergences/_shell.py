"""What every command shares: refusals in one line with exit code 2, and outputs checked before any work."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import typer

__all__ = ["check_outputs", "complain", "fail", "refusals"]


def complain(text: str) -> None:
    """One line on stderr, whatever the message looked like."""
    sys.stderr.write(f"divergences: {' '.join(text.split())}\n")


def fail(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(2)


@contextlib.contextmanager
def refusals(suffix: str = "") -> Iterator[None]:
    """What the user can mend becomes one line and exit code 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}{suffix}")
    except (ValueError, TypeError, ImportError) as error:
        fail(f"{error}{suffix}")
    except MemoryError:
        fail(f"not enough memory; take fewer rows, as in file.npy[0:10000]{suffix}")


def check_outputs(outputs: Sequence[str | None], inputs: Sequence[str | None]) -> None:
    """Refuse, before any long work, what could not be written or would overwrite the samples."""
    from divergences.readers import located

    seen: set[Path] = set()
    sources = {located(given).resolve() for given in inputs if given}
    for name in outputs:
        if name is None:
            continue
        if name == "-":
            raise ValueError("only 'compare --json -' and '--markdown -' print their output; name a file")
        target = Path(name).resolve()
        if target in sources:
            raise ValueError(f"{name}: would overwrite the samples; name another file")
        if target in seen:
            raise ValueError(f"{name}: two outputs cannot share one file")
        seen.add(target)
        if target.is_dir():
            raise ValueError(f"{name}: is a folder; name a file in it")
        if not target.parent.is_dir():
            raise ValueError(f"{name}: there is no folder {target.parent}")
        if not target.exists() or target.is_file():  # /dev/stdout needs no file beside it
            try:
                tempfile.TemporaryFile(dir=target.parent).close()
            except OSError as error:
                raise ValueError(f"{name}: cannot be written ({error.strerror or error})") from None
