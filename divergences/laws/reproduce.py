"""A counterexample as Python that can be run: the function, the case, the law, and what was returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from divergences.laws.law import Law
from divergences.laws.measured import Measured
from divergences.laws.subject import Subject
from divergences.registry import Metric

__all__ = ["reproducer"]

DEFAULTS: dict[str, Any] = {
    "degree": None, "part": "", "root": 1.0, "accuracy": 0.0, "library": "numpy", "dtype": "float64",
}  # fmt: skip


def reproducer(law: Law, subject: Subject, case: Mapping[str, Any]) -> str:
    """Lines of Python that evaluate the violation anew, the answers of the function as comments."""
    lines = ["import numpy as np", "from divergences import laws", _imported(subject), ""]
    lines += [f"{role} = {_literal(value)}" for role, value in case.items()]
    known = {key: getattr(subject, key) for key, plain in DEFAULTS.items() if getattr(subject, key) != plain}
    claims = sorted(subject.claims & _needed(law, subject))
    extra = "".join(f", {key}={value!r}" for key, value in known.items())
    lines.append(f"subject = laws.Subject(fn, {subject.on!r}, frozenset({claims}){extra})")
    given = ", ".join(f"{role}={role}" for role in case)
    worst = law.violation(replace(subject, cache={}), **case)
    shown = "nothing" if worst is None else f"{worst:.3g}"
    lines.append(f"laws.LAWS[{law.name!r}].violation(subject, {given})  # {shown}; above 1 is a violation")
    calls = _calls(law, subject, case)
    return "\n".join([*lines, *(f"# {call}" for call in calls[:8])]) + "\n"


def _needed(law: Law, subject: Subject) -> set[str]:
    from divergences.laws.reference import PROVIDES

    quantities = {claim for claim in subject.claims if claim in PROVIDES}
    return set(law.claims) | quantities


def _imported(subject: Subject) -> str:
    fn = subject.function
    if isinstance(fn, Metric):
        return f"import divergences\n\nfn = divergences.parse({fn.spec!r})"
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "<")
    if module and module != "__main__" and "<" not in name and "." not in name:
        return f"from {module} import {name} as fn"
    return f"# fn is {subject.name}, the function that was checked"


def _literal(value: Any) -> str:
    if np.ndim(value) == 0:
        return repr(float(value))
    listed = np.asarray(value).tolist()
    return f"np.array({listed})"


def _calls(law: Law, subject: Subject, case: Mapping[str, Any]) -> list[str]:
    """What the law asked the function, and what it answered."""
    asked: list[str] = []

    class Recording(Subject):
        def __call__(self, *arrays: Any, **options: Any) -> Measured:
            plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in options.items()}
            given = ", ".join(
                [*(str(np.asarray(a).tolist()) for a in arrays), *(f"{k}={v!r}" for k, v in plain.items())]
            )
            try:
                answer = Subject.__call__(self, *arrays, **options)
            except Exception as error:
                asked.append(f"fn({given}) -> {error}")
                raise
            asked.append(f"fn({given}) = {answer.value!r}")
            return answer

    fields = {f: getattr(subject, f) for f in Subject.__dataclass_fields__}
    law.violation(Recording(**{**fields, "cache": {}}), **case)
    return list(dict.fromkeys(asked))
