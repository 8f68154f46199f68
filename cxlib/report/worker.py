"""One notebook in one process: execute, tidy, render. The files are staged; the parent publishes.

A worker is a fresh process that serves one job at a time over its pipes, so that a notebook that
takes its process down costs one report and no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import paths
from . import kernel, manifest
from .plan import Job
from .records import unique_records

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CELL = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py")
_FOUR_LINES = re.compile(r"^\s{2}(got|want|do):\s+(.*)$")
#: What papermill and nbformat import where they can, for uses that a worker has not (1.5 seconds).
_UNUSED = ("pyarrow", "rfc3987_syntax")
#: The id of the cell that papermill injects, always the same.
INJECTED_ID = "injected-parameters"


@dataclass(frozen=True)
class Failure:
    """Why a report could not be made: the cell, the error, and what to do.

    Attributes
    ----------
    what : str
        What went wrong, in one line.
    kind : str
        The type of the error, e.g. ``"CxError"``; ``""`` where it is no Python error.
    cell : int
        The place of the cell in the notebook, from 1; 0 where no cell is to blame.
    source : str
        The cell's code.
    got, want, do : str
        The other lines of a :class:`CxError`.
    trace : str
        The traceback, or what the kernel last said.
    """

    what: str
    kind: str = ""
    cell: int = 0
    source: str = ""
    got: str = ""
    want: str = ""
    do: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Task:
    """A job with its surroundings: where to stage it, the records to read, the pages beside it."""

    job: Job
    staged: str
    target: str
    records: str = ""
    key: str = ""
    pages: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def main(changes: dict[str, str | None]) -> None:
    """Serve tasks from stdin until it closes; ``changes`` are to the environment.

    Tasks come in and answers go out pickled: ``("cell", number)`` for each cell that is done, and
    ``("done", Failure or None)``. Whatever else writes to stdout writes to stderr.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    sys.modules |= dict.fromkeys(_UNUSED)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    kernel.apply(changes)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()

    def answer(kind: str, content: object) -> None:
        pickle.dump((kind, content), answers)
        answers.flush()

    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = pickle.load(sys.stdin.buffer)
            answer("done", run(task, lambda cell: answer("cell", cell)))


def _follow(parent: int) -> None:
    """Leave when the process that started us is gone, and take the kernel along."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(*_: object) -> None:
    """Unwind, so that the kernel is shut down on the way out."""
    raise SystemExit(143)


def run(task: Task, advance: Any = lambda cell: None) -> Failure | None:
    """Make one report in its staged folder; ``None`` when all is well.

    Whatever goes wrong in a notebook, its kernel or its page becomes a :class:`Failure`: the other
    reports must not suffer from it.
    """
    from papermill.exceptions import PapermillExecutionError

    current: dict[str, Any] = {}
    try:
        notebook = _execute(task, advance, current)
        failure = _complaint(notebook)
        if failure is None:
            _stage(task, notebook)
        return failure
    except PapermillExecutionError as error:
        return _failure(error, task.job.source.path)
    except Exception as error:
        dead = type(error).__name__ == "DeadKernelError"
        return Failure(
            "the kernel ended" if dead else "the notebook could not be run",
            kind=type(error).__name__,
            cell=_place(current["cell"], task.job.source.path) if current else 0,
            source=current.get("source", ""),
            got=_clean(str(error)),
            do="run it again; if it fails again, open it in JupyterLab",
            trace=_kernel_log(),
        )


def _execute(task: Task, advance: Any, current: dict[str, Any]) -> Any:
    import logging

    import papermill

    def begins(cell: Any, cell_index: int, **_: Any) -> None:
        current.update(cell=cell_index, source=cell.source)

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    job = task.job
    given = {"study": job.study, "where": job.segment.where} | job.settings
    if task.records:
        given["records"] = task.records
    staged = Path(task.staged, f"{job.source.name}.ipynb")
    return papermill.execute_notebook(
        str(job.source.path.resolve()),
        str(staged),
        given,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        request_save_on_cell_execute=False,
        cwd=str(job.source.path.resolve().parent),
        kernel_manager_class=kernel.PrivateKernelManager,
        on_cell_start=begins,
        on_cell_executed=lambda cell, cell_index, **_: advance(cell_index),
    )


def _complaint(notebook: Any) -> Failure | None:
    """A warning on a page is a fault, and so is anything else that a cell wrote to stderr."""
    for number, cell in _numbered(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stderr" and output.text.strip():
                text = _clean(output.text).strip()
                return Failure(
                    "a cell warned or wrote to stderr",
                    kind=_warning_kind(text),
                    cell=number,
                    source=cell.source,
                    got=text.splitlines()[0][:300],
                    want="a notebook that runs without warnings",
                    do="mend what the warning is about; a report must not hide it",
                    trace=text[:4000],
                )
    return None


def _warning_kind(text: str) -> str:
    found = re.search(r"\b(\w*Warning)\b:", text)
    return found[1] if found else ""


def _stage(task: Task, notebook: Any) -> None:
    import nbformat

    from . import render

    tidy(notebook)
    unique_records(notebook)
    _portable(notebook, _again(task))
    notebook.metadata["cxlib"] = nbformat.from_dict(_about(task))
    name = task.job.source.name
    html = render.page(notebook, pages=task.pages)
    text = nbformat.writes(notebook, version=4) + "\n"
    for suffix, content in (("ipynb", text), ("html", html)):
        with Path(task.staged, f"{name}.{suffix}").open("wb") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())


def tidy(notebook: Any) -> None:
    """Take out of an executed notebook what differs from run to run."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
    }
    for number, cell in enumerate(notebook.cells):
        for name in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(name, None)
        cell.metadata.pop("transient", None)
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell["id"] = INJECTED_ID
        elif not cell.get("id"):
            cell["id"] = f"cell-{number}"
        if cell.cell_type == "code":
            cell.execution_count = None
        for output in cell.get("outputs", ()):
            if "execution_count" in output:
                output.execution_count = None
            output.pop("transient", None)


def _about(task: Task) -> dict[str, Any]:
    """What the page says of itself, kept in the notebook so that the page can be made again."""
    job = task.job
    values = job.source.declared | job.settings
    shown = {name: value for name, value in values.items() if name != "records"}
    shown["study"] = paths.from_root(Path(job.study)) if os.sep in job.study else job.study
    shown["where"] = job.segment.where
    return job.about | {
        "notebook": job.source.name,
        "segment": job.segment.folder,
        "label": job.segment.label,
        "where": job.segment.where,
        "key": task.key,
        "version": manifest.version(),
        "shown": [[name, value] for name, value in shown.items()],
    }


def _again(task: Task) -> dict[str, str]:
    """Values under which the executed notebook can be run again where it lies."""
    again = {}
    if os.sep in task.job.study:
        again["study"] = Path(os.path.relpath(task.job.study, task.target)).as_posix()
    if task.records:
        again["records"] = "../records.json"
    return again


def _portable(notebook: Any, again: dict[str, str]) -> None:
    """Write the injected cell anew: no absolute path may travel with a report."""
    for cell in notebook.cells:
        if cell["id"] == INJECTED_ID:
            lines = []
            for line in cell.source.splitlines():
                name = line.partition(" = ")[0]
                lines.append(f"{name} = {again[name]!r}" if name in again else line)
            cell.source = "\n".join(lines)


def _numbered(cells: Any) -> list[tuple[int, Any]]:
    """Cells with their place in the notebook as its author knows it."""
    own = [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", ())]
    return list(enumerate(own, start=1))


def _failure(error: Any, notebook: Path) -> Failure:
    what, got, want, do = str(error.evalue), "", "", ""
    if error.ename == "CxError":
        head, parts = [], {"got": "", "want": "", "do": ""}
        for line in what.splitlines():
            found = _FOUR_LINES.match(line)
            if found:
                parts[found[1]] = found[2]
            else:
                head.append(line)
        what, got, want, do = "\n".join(head), parts["got"], parts["want"], parts["do"]
    return Failure(
        _clean(what) or error.ename,
        kind=error.ename,
        cell=_place(error.cell_index, notebook),
        source=error.source,
        got=got,
        want=want,
        do=do or "open the notebook in JupyterLab with the same parameters and run this cell",
        trace=_clean("\n".join(error.traceback)),
    )


def _place(index: int, notebook: Path) -> int:
    """A cell's place in the notebook as its author knows it, from its index as it ran."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tags = [cell.get("metadata", {}).get("tags", ()) for cell in cells]
    before = next((i for i, tag in enumerate(tags) if "parameters" in tag), len(tags))
    return index + 1 if index <= before else index


def _kernel_log() -> str:
    """The end of what the kernel wrote outside of its cells."""
    log = Path(os.environ.get("JUPYTER_RUNTIME_DIR", "."), f"log-{os.getpid()}")
    text = log.read_text(errors="replace") if log.exists() else ""
    return _clean("\n".join(text.splitlines()[-20:]))


def _clean(text: str) -> str:
    """Plain text without colours and without the folders and processes of this machine."""
    text = _CELL.sub("the cell", _ANSI.sub("", text))
    for folder, name in ((paths.root(), "."), (Path.home(), "~")):
        if len(str(folder)) > 1:
            text = text.replace(str(folder), name)
    return text
