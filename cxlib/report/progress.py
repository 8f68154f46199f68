"""How far it is: a bar a report where a person watches, one plain line a report elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from .plan import Job
from .run import Result, Silent

_SIGNS = {"made": ("✓", "green"), "unchanged": ("=", "dim"), "failed": ("✗", "red")}


def progress(*, quiet: bool = False) -> Silent:
    """The progress for this terminal; a context manager."""
    if quiet:
        return _Quiet()
    return Bars() if sys.stderr.isatty() else Lines()


def summary(result: Result) -> str:
    """One line on one report: ``✓ sample · all · 25-loyalty-loss  3.1 s``."""
    sign = _SIGNS[result.status][0]
    text = f"{sign} {result.label}  {result.status}"
    if result.status != "unchanged":
        text += f"  {result.seconds:.1f} s"
    failure = result.failure
    if failure is not None:
        place = f"cell {failure.cell}: " if failure.cell else ""
        told = [f"{place}{failure.what.splitlines()[0]}"]
        parts = (("got", failure.got), ("want", failure.want), ("do", failure.do))
        told += [f"  {label}: {said}" for label, said in parts if said]
        text += "".join(f"\n    {line}" for line in [*told, f"see {result.path}"])
    return text


class _Quiet(Silent):
    """Says nothing but failures; can be entered like the others."""

    def finished(self, job: Job, result: Result) -> None:
        """Print what failed, so that a scheduled run does not fail in silence."""
        if result.failure is not None:
            print(summary(result), file=sys.stderr, flush=True)

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *raised: object) -> None:
        return None


class Lines(_Quiet):
    """One plain line a report, on stderr."""

    def finished(self, job: Job, result: Result) -> None:
        """Print the line."""
        print(summary(result), file=sys.stderr, flush=True)


class Bars(_Quiet):
    """A bar for each report that runs, one for all, and a line for each that is done."""

    def __enter__(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        self._bars = Progress(*columns, Elapsed(), console=Console(stderr=True), transient=True)
        self._tasks: dict[tuple[str, str], Any] = {}
        self._bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bars.stop()

    def planned(self, jobs: int) -> None:
        """A bar for all."""
        self._all = self._bars.add_task("reports", total=jobs)

    def started(self, job: Job) -> None:
        """A bar for this one; the cells that hold its code are its steps."""
        self._tasks[job.label, job.key] = self._bars.add_task(job.label, total=job.source.cells)

    def advanced(self, job: Job, cell: int) -> None:
        """One more cell is done."""
        self._bars.update(self._tasks[job.label, job.key], completed=cell)

    def finished(self, job: Job, result: Result) -> None:
        """Its line in place of its bar."""
        from rich.text import Text

        task = self._tasks.pop((job.label, job.key), None)
        if task is not None:
            self._bars.remove_task(task)
        self._bars.console.print(Text(summary(result), style=_SIGNS[result.status][1]))
        self._bars.advance(self._all)
