"""Worker processes, each behind a pipe: a notebook that kills its process costs one report."""

from __future__ import annotations

import contextlib
import json
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from . import kernel
from .worker import Failure, Task

#: How long a worker may take to end after its pipe has closed, in seconds.
_PATIENCE = 10
#: A worker is a fresh Python with our paths: what a script does when it is run is not done again.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from cxlib.report.worker import main; main(json.loads(sys.argv[2]))"
)
_Worker = subprocess.Popen[bytes]


class Pool:
    """Runs tasks in ``jobs`` processes at a time; a context manager that leaves no process behind.

    Parameters
    ----------
    jobs : int
        How many reports are made at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._private = Path(tempfile.mkdtemp(prefix="cx-"))
        for name in ("ipython", "config", "data", "runtime"):
            (self._private / name).mkdir(mode=0o700)
        self._threads = ThreadPoolExecutor(jobs)
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            if kind is not None:
                worker.terminate()
            elif worker.stdin is not None:
                worker.stdin.close()
        for worker in self._workers:
            _end(worker)
        self._threads.shutdown(wait=True)
        shutil.rmtree(self._private, ignore_errors=True)

    def submit(
        self, task: Task, advance: Callable[[int], None]
    ) -> Future[tuple[Failure | None, float]]:
        """Start a task as soon as a worker is free; the future gives its failure and its seconds.

        ``advance`` hears −1 when the task starts, then each cell that is done.
        """
        return self._threads.submit(self._timed, task, advance)

    def _timed(self, task: Task, advance: Callable[[int], None]) -> tuple[Failure | None, float]:
        began = time.perf_counter()
        advance(-1)
        return self._run(task, advance), time.perf_counter() - began

    def _run(self, task: Task, advance: Callable[[int], None]) -> Failure | None:
        worker = self._worker()
        try:
            pickle.dump(task, worker.stdin)
            worker.stdin.flush()
            kind = ""
            while kind != "done":
                kind, content = pickle.load(worker.stdout)
                if kind == "cell":
                    advance(content)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            _end(worker)
            return Failure(
                "the process that ran the notebook ended",
                got=f"exit code {worker.returncode}",
                want="enough memory, and nobody to end it",
                do="run it again with --jobs 1",
            )
        self._idle.put(worker)
        return content

    def _worker(self) -> _Worker:
        """One that waits for work, or a new one."""
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        changes = json.dumps(kernel.environment(self._private))
        command = [sys.executable, "-c", _START, json.dumps(sys.path), changes]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._workers.append(worker)
        return worker


def _end(worker: _Worker) -> None:
    """Wait for a worker that was told to end; after some patience, end it."""
    try:
        worker.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
