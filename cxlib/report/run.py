"""``cx report``: every report whole or not at all; the same inputs give the same bytes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ..errors import CxError
from . import index, manifest, render
from .plan import ALL, Job, Plan, plan
from .pool import Pool
from .records import on_page
from .shelf import about, failure_of, standing
from .worker import Failure, Task

_STAGED = ".staged-"


@dataclass(frozen=True)
class Result:
    """What became of one report.

    Attributes
    ----------
    status : str
        ``"made"``, ``"unchanged"`` (the one that stands was made from the same) or ``"failed"``.
    path : Path
        The page, or the failure page.
    seconds : float
        How long it took.
    failure : Failure or None
    """

    study: str
    segment: str
    notebook: str
    status: str
    path: Path
    seconds: float = 0.0
    failure: Failure | None = None

    @property
    def label(self) -> str:
        """``"sample · all · 25-loyalty-loss"``."""
        return f"{self.study} · {self.segment} · {self.notebook}"

    def to_dict(self) -> dict[str, Any]:
        """For ``--json`` and ``run.json``; the page as it lies in the study's folder."""
        content = {
            "study": self.study,
            "segment": self.segment,
            "notebook": self.notebook,
            "status": self.status,
            "page": f"{self.segment}/{self.path.name}",
            "seconds": round(self.seconds, 2),
        }
        if self.failure is not None:
            content["failure"] = {
                k: v for k, v in asdict(self.failure).items() if v and k != "trace"
            }
        return content


@dataclass(frozen=True)
class Outcome:
    """What became of all reports of a run."""

    results: tuple[Result, ...]
    folders: tuple[Path, ...]
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Result, ...]:
        """The reports that could not be made."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def exit_code(self) -> int:
        """0 all well, 1 some report failed."""
        return 1 if self.failed else 0

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": not self.failed,
            "made": sum(result.status == "made" for result in self.results),
            "unchanged": sum(result.status == "unchanged" for result in self.results),
            "failed": len(self.failed),
            "seconds": round(self.seconds, 2),
            "indexes": [str(folder / "index.html") for folder in self.folders],
            "reports": [result.to_dict() for result in self.results],
        }


class Progress(Protocol):
    """Who wants to hear how far it is."""

    def planned(self, jobs: int) -> None: ...
    def started(self, job: Job) -> None: ...
    def advanced(self, job: Job, cell: int) -> None: ...
    def finished(self, job: Job, result: Result) -> None: ...


class Silent:
    """Nobody wants to hear."""

    def planned(self, jobs: int) -> None:
        """Nothing."""

    def started(self, job: Job) -> None:
        """Nothing."""

    def advanced(self, job: Job, cell: int) -> None:
        """Nothing."""

    def finished(self, job: Job, result: Result) -> None:
        """Nothing."""


@dataclass
class _Study:
    """A plan at work: its staging folder, the pages beside each other, what is done."""

    plan: Plan
    staged: Path
    pages: dict[str, tuple[tuple[str, str], ...]]
    results: list[Result] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)

    def done(self, segment: str) -> set[str]:
        """The notebooks of a segment of which it is known what became."""
        return {result.notebook for result in self.results if result.segment == segment}

    def claim(self, job: Job) -> bool:
        """Whether this job has yet to be started; it is from now on."""
        new = job.key not in self.claimed
        self.claimed.add(job.key)
        return new


def report(
    studies: Sequence[str],
    *,
    notebooks: Sequence[str] = (),
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    settings: Sequence[str] = (),
    out: str | Path = "reports",
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    folder: str | Path | None = None,
    opener: Callable[..., Any] | None = None,
) -> Outcome:
    """Run notebooks over studies and segments, and leave a folder of pages for each study.

    Parameters
    ----------
    studies : sequence of str
        Study files, or names of carried studies.
    notebooks, by, where, settings : sequence of str
        See :func:`cxlib.report.plan.plan`.
    out : str or Path
        The folder that gets a folder for each study.
    jobs : int, optional
        Reports made at a time; two, or one on a single processor, if not given.
    force : bool
        Make again what was made from the same inputs.
    progress : Progress, optional
        Who wants to hear how far it is.
    folder : str or Path, optional
        Take the notebooks from here.
    opener : callable, optional
        Opens the studies to check them; ``open_study`` if not given.

    Raises
    ------
    CxError
        The input is wrong; nothing has run and no file was touched.
    """
    began, started = time.perf_counter(), _now()
    if opener is None:
        from ..study import open_study as opener
    home = None if folder is None else Path(folder)
    asked = {"notebooks": notebooks, "by": by, "where": where, "settings": settings}
    plans = [plan(s, **asked, out=Path(out), folder=home, opener=opener) for s in studies]
    _check(plans, jobs)
    jobs = min(jobs or min(2, os.cpu_count() or 1), max(1, sum(len(p.jobs) for p in plans)))
    results: list[Result] = []
    with contextlib.ExitStack() as stack:
        works = [stack.enter_context(_study(p)) for p in plans]
        _run(works, stack.enter_context(Pool(jobs)), force, progress or Silent())
        for work in works:
            _collect(work, started)
            results += work.results
    folders = tuple(p.folder for p in plans)
    return Outcome(tuple(results), folders, time.perf_counter() - began)


def _check(plans: Sequence[Plan], jobs: int | None) -> None:
    if not plans:
        raise CxError(
            "no study was named", want="cx report STUDY", do="for example cx report sample"
        )
    names = [p.name for p in plans]
    for name in names:
        if names.count(name) > 1:
            raise CxError(
                "two studies have the same name",
                got=name,
                want="a folder of its own for each",
                do="rename one of the files",
            )
    if jobs is not None and jobs < 1:
        raise CxError("--jobs is out of range", got=jobs, want="at least 1")


@contextlib.contextmanager
def _study(plan: Plan) -> Iterator[_Study]:
    """The study's folder, for us alone, with a staging folder that is gone afterwards."""
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        with _alone(plan.folder):
            for stale in plan.folder.glob(f"{_STAGED}*"):
                shutil.rmtree(stale, ignore_errors=True)
            staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=plan.folder)).resolve()
            try:
                yield _Study(plan, staged, _pages(plan))
            finally:
                shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise CxError(
            "the reports cannot be written",
            got=f"{error.filename or plan.folder}: {error.strerror}",
            want="a folder that can be written to, on a disk with room",
            do="choose another folder with --out",
        ) from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run; systems without such locks go without."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CxError(
            "another run is writing these reports",
            got=folder,
            want="one run at a time",
            do="wait for it, or choose another folder with --out",
        ) from error
    finally:
        os.close(handle)


def _run(works: Sequence[_Study], pool: Pool, force: bool, progress: Progress) -> None:
    """Make all reports; those that read the others' records come last in their segment."""
    progress.planned(sum(len(work.plan.jobs) for work in works))
    running: dict[Future[Any], tuple[_Study, Task]] = {}
    for work in works:
        for segment in work.plan.segments:
            _submit(work, segment.folder, False, running, pool, force, progress)
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            work, task = running.pop(future)
            failure, seconds = future.result()
            _finish(work, task, failure, seconds, progress)
            _submit(work, task.job.segment.folder, True, running, pool, force, progress)


def _submit(
    work: _Study,
    segment: str,
    last: bool,
    running: dict[Future[Any], tuple[_Study, Task]],
    pool: Pool,
    force: bool,
    progress: Progress,
) -> None:
    """Submit what of a segment can start now, and pass by what was made from the same before."""
    jobs = [job for job in work.plan.jobs if job.segment.folder == segment]
    for job in jobs:
        if not last and not job.wants_records:
            _start(work, job, running, pool, force, progress)
    ready = work.done(segment) >= {j.source.name for j in jobs if not j.wants_records}
    for job in jobs:
        if job.wants_records and ready and work.claim(job):
            _start(work, job, running, pool, force, progress)


def _start(
    work: _Study,
    job: Job,
    running: dict[Future[Any], tuple[_Study, Task]],
    pool: Pool,
    force: bool,
    progress: Progress,
) -> None:
    task = _task(work, job)
    page = Path(task.target, f"{job.source.name}.html")
    if not force and _unchanged(page, task.key):
        result = Result(work.plan.name, job.segment.folder, job.source.name, "unchanged", page)
        work.results.append(result)
        progress.finished(job, result)
        return

    def advance(cell: int) -> None:
        if cell < 0:
            progress.started(job)
        else:
            progress.advanced(job, cell)

    running[pool.submit(task, advance)] = work, task


def _task(work: _Study, job: Job) -> Task:
    folder = work.plan.folder / job.segment.folder
    staged = work.staged / job.segment.folder
    staged.mkdir(exist_ok=True)
    records, key = "", job.key
    if job.wants_records:
        late = {other.source.name for other in work.plan.jobs if other.wants_records}
        found = [path for path, _ in standing(folder) if path.stem not in late]
        content = manifest.dumps([record for path in found for record in on_page(path)])
        records = str(work.staged / f"{job.segment.folder}-records.json")
        Path(records).write_text(content, encoding="utf-8")
        key = manifest.digest(f"{key} {content}")
    return Task(
        job,
        staged=str(staged),
        target=str(folder.resolve()),
        records=records,
        key=key,
        pages=work.pages[job.segment.folder],
    )


def _unchanged(page: Path, key: str) -> bool:
    """Whether the report that stands is whole, and was made from the same."""
    notebook = page.with_suffix(".ipynb")
    if failure_of(page).exists() or not (page.exists() and notebook.exists()):
        return False
    text = page.read_text(encoding="utf-8", errors="replace")
    whole = text.rstrip().endswith("</html>") and _meta(text, "cxlib-key") == key
    return whole and about(notebook).get("key") == key


def _meta(html: str, name: str) -> str:
    found = re.search(rf'<meta name="{name}" content="([^"]*)">', html[:4000])
    return found[1] if found else ""


def _finish(
    work: _Study, task: Task, failure: Failure | None, seconds: float, progress: Progress
) -> None:
    """Publish a report that is whole, or say on a page of its own why there is none."""
    job, folder = task.job, Path(task.target)
    name = job.source.name
    page = folder / f"{name}.html"
    if failure is None:
        folder.mkdir(exist_ok=True)
        for suffix in (".ipynb", ".html"):
            Path(task.staged, name + suffix).replace(page.with_suffix(suffix))
        failure_of(page).unlink(missing_ok=True)
        status, path = "made", page
    else:
        said = job.about | {
            "notebook": name,
            "page": job.source.title,
            "label": job.segment.label,
            "version": manifest.version(),
        }
        status, path = "failed", failure_of(page)
        manifest.write(path, render.failure_page(failure, said, stands=page.exists()))
    result = Result(work.plan.name, job.segment.folder, name, status, path, seconds, failure)
    work.results.append(result)
    progress.finished(job, result)


def _pages(plan: Plan) -> dict[str, tuple[tuple[str, str], ...]]:
    """The pages that each segment will have: those that stand, and those that are planned."""
    pages = {}
    for segment in plan.segments:
        titles = {path.stem: title for path, title in standing(plan.folder / segment.folder)}
        titles |= {j.source.name: j.source.title for j in plan.jobs if j.segment == segment}
        pages[segment.folder] = tuple(sorted(titles.items()))
    return pages


def _collect(work: _Study, started: str) -> None:
    """Write what lies beside the pages, from what stands."""
    order = {(job.segment.folder, job.source.name): i for i, job in enumerate(work.plan.jobs)}
    work.results.sort(key=lambda result: order[result.segment, result.notebook])
    folder = work.plan.folder
    segments = sorted(
        {path.parent for path in folder.glob("[!.]*/*.html")},
        key=lambda path: (path.name != ALL, _natural(path.name)),
    )
    for segment in segments:
        _mend_links(segment)
    index.write(work.plan, segments)
    reports = [result.to_dict() for result in work.results]
    manifest.write(folder / "run.json", manifest.run(started, _now(), reports))


def _natural(name: str) -> list[tuple[str, int]]:
    """For sorting: ``sector-2`` before ``sector-10``."""
    return [(text, int(part or 0)) for text, part in re.findall(r"(\D*)(\d*)", name)]


def _mend_links(segment: Path) -> None:
    """Make the pages anew that link to other pages than those that stand."""
    found = standing(segment)
    pages = tuple((path.stem, title) for path, title in found)
    for path, _ in found:
        page = path.with_suffix(".html")
        if _meta(page.read_text(encoding="utf-8"), "cxlib-pages") != render.pages_key(pages):
            import nbformat

            notebook = nbformat.read(path, as_version=4)
            manifest.write(page, render.page(notebook, pages=pages))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
