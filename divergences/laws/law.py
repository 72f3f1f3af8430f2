"""A law: a statement from the literature and the function that measures its violation."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from divergences.laws.measured import Outcome
from divergences.laws.reference import Family, provided
from divergences.laws.subject import SPACES, Crashed, Subject, Undefined

__all__ = ["LAWS", "Law", "law"]

LAWS: dict[str, Law] = {}


@dataclass(frozen=True, slots=True)
class Law:
    """``statement`` as one would write it in a paper; ``claims``: whoever makes one of them is held to it.

    ``violation(fn, **case)`` evaluates it on one case, whose parts are named by ``roles``.
    """

    name: str
    statement: str
    source: str
    on: str
    claims: tuple[str, ...]
    function: Callable[..., Outcome]

    @property
    def roles(self) -> tuple[str, ...]:
        """The parts of a case that it reads: ``p``, ``q``, ``channel`` … in the order of a call."""
        return tuple(inspect.signature(self.function).parameters)[1:]

    def applies_to(self, subject: Subject) -> bool:
        """Whether the function makes a claim that this law holds it to."""
        made = subject.claims | {name.replace("_", " ") for name in provided(subject)}
        return self.on == subject.on and any(claim in made for claim in self.claims)

    def violation(
        self, fn: Subject | Callable[..., Any], *, claim: str | None = None, **case: Any
    ) -> Outcome:
        """By how many tolerances ``fn`` breaks the law here: above 1 is a violation, None: not applicable.

        ``fn`` is a ``Subject`` or a plain function, then taken to claim ``claim`` (by default the law's
        first). NaN and crashes are violations, inf tolerances. Refusals pass through as ``Refused``.

        >>> import numpy as np
        >>> from divergences import laws
        >>> tv = lambda p, q: abs(p - q).sum()          # the half is missing
        >>> p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        >>> laws.LAWS["pmf.tv is at most one"].violation(tv, p=p, q=q) > 1
        True
        """
        if not isinstance(fn, Subject):
            from divergences.laws.subject import implied

            fn = Subject(fn, self.on, implied({claim or self.claims[0]}))
        try:
            return self.function(Family(fn), **{role: case[role] for role in self.roles})
        except (Undefined, Crashed):
            return math.inf


def law(
    statement: str, *, source: str, on: str, claims: str | Iterable[str]
) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Enter a function ``(d, *roles) -> violation`` into LAWS under its name, spaces for underscores.

    ``d.fn`` is the function on trial. ``d.kl``, ``d.tv`` … are the quantities of those names: the
    function on trial where it claims to be one, a plain reference elsewhere, so that an inequality
    between two is tested from either side.
    """
    if on not in SPACES:
        raise ValueError(f"on must be one of {SPACES}, got {on!r}")
    stated = (claims,) if isinstance(claims, str) else tuple(claims)

    def enter(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        name = function.__name__.replace("_", " ")
        name = name if on == "samples" else f"{on}.{name}"  # as in METRICS
        if name in LAWS:
            raise ValueError(f"law {name!r} is already there")
        LAWS[name] = Law(name, statement, source, on, stated, function)
        return function

    return enter
