"""Digests, atomic files, and the two files that say what a report was made from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import CxError

#: The packages whose version may change a number or a page.
PACKAGES = (
    "ipykernel",
    "ipython",
    "matplotlib",
    "narwhals",
    "nbconvert",
    "nbformat",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "scipy",
    "seaborn",
    "statsmodels",
)
_PACKAGE = Path(__file__).resolve().parent.parent


def sha256(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(text: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def dumps(content: Any) -> str:
    """JSON as the house writes it: the same content gives the same text."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    CxError
        The folder cannot be written to, or the disk is full.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise CxError(
            "a file cannot be written",
            got=f"{path}: {error.strerror}",
            want="a folder that can be written to, on a disk with room",
            do="choose another folder with --out",
        ) from error


@cache
def source_digest() -> str:
    """The digest of cxlib's own source and templates."""
    digests = [
        f"{path.relative_to(_PACKAGE).as_posix()} {sha256(path)}"
        for path in sorted(_PACKAGE.rglob("*"))
        if path.suffix in {".py", ".j2", ".css"} and "_workbook" not in path.parts
    ]
    return digest("\n".join(digests))


@cache
def versions() -> dict[str, str]:
    """The versions of the packages that may change a number or a page."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def version() -> str:
    """cxlib's own version."""
    from .. import __version__

    return __version__


@cache
def house() -> str:
    """The digest of all that is not the study's: cxlib, the packages, the Python."""
    python = ".".join(platform.python_version_tuple()[:2])
    return digest(dumps([version(), source_digest(), versions(), python]))


def manifest(plan: Any, standing: Iterable[dict[str, Any]]) -> str:
    """What the study's folder was made from; the same inputs give the same text.

    Parameters
    ----------
    plan : Plan
    standing : iterable of dict
        ``notebook, segment, where, parameters, key, sha256`` of every report that stands.
    """
    return dumps(
        {
            "cxlib": {"version": version(), "source": source_digest()},
            "study": plan.about,
            "inputs": dict(sorted(plan.inputs.items())),
            "notebooks": {job.source.name: job.source.sha256 for job in plan.jobs},
            "reports": list(standing),
            "packages": versions(),
        }
    )


def run(started: str, finished: str, reports: list[dict[str, Any]]) -> str:
    """What may differ from run to run: times, the machine, how long each report took."""
    return dumps(
        {
            "started": started,
            "finished": finished,
            "host": platform.node(),
            "platform": platform.platform(),
            "python": sys.version.split()[0],
            "reports": reports,
        }
    )
