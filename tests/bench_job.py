"""What a comparison of speed is: our program, its peers, and how far their answers may differ."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np


class Absent(Exception):
    """A peer or its data are not on this machine."""


class Timed(NamedTuple):
    """An answer with the seconds that the program took by its own clock."""

    seconds: float
    answer: np.ndarray


class Asked(NamedTuple):
    """What the run was asked for: small data, R as a peer, an interpreter that has xlogit."""

    small: bool = False
    with_r: bool = True
    peer_python: str = ""


Program = Callable[[], "np.ndarray | Timed"]


@dataclass(frozen=True)
class Job:
    """One comparison.

    ``agree`` is the largest relative difference of each peer's answer from ours, one number or one
    a column; ``check`` is a further check that is not timed, and tells differences by name.
    ``at_most`` and ``times_faster`` are what we want to reach. ``absent`` tells what is missing.
    """

    name: str
    ours: Program
    peers: dict[str, Program] = field(default_factory=dict)
    agree: dict[str, object] = field(default_factory=dict)
    check: Callable[[], dict[str, float]] | None = None
    at_most: float = 0.0
    times_faster: dict[str, float] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def present(makers: dict[str, Callable[[], Program]]) -> tuple[dict[str, Program], tuple[str, ...]]:
    """The programs that this machine has, and why it lacks the others."""
    found, missing = {}, []
    for name, make in makers.items():
        try:
            found[name] = make()
        except (Absent, ImportError) as why:
            missing.append(f"{name}: {why}")
    return found, tuple(missing)


@cache
def r_survey() -> str:
    """Rscript, where it has the package survey.

    Raises
    ------
    Absent
        It is not there, or lacks the package.
    """
    program = shutil.which("Rscript")
    if program is None:
        raise Absent("Rscript is not installed")
    asked = [program, "-e", "stopifnot(requireNamespace('survey', quietly=TRUE))"]
    if subprocess.run(asked, capture_output=True).returncode:
        raise Absent("R has no package survey")
    return program
