"""From a study to a folder of pages: plan, execute, render, collect. The one door to it is below.

``plan`` checks everything before anything runs, ``run`` drives the worker processes, ``worker``
executes one notebook, ``render`` makes its page, ``index`` and ``manifest`` write what lies beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Outcome, report

__all__ = ["Outcome", "report"]


def __getattr__(name: str):
    if name in __all__:
        from . import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
