"""Readers: a file, or a data frame in hand, becomes a :class:`~cxlib.survey.Survey`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ..codebook import Codebook
from ..errors import CxError, unknown
from ..paths import packaged_data
from ..survey import Design, Survey
from ..survey_codes import digest
from . import csv, parquet

READERS = {"csv": csv.read, "parquet": parquet.read}


def read_survey(
    path: str | Path | pd.DataFrame,
    *,
    codebook: Codebook | str | Path | None = None,
    weights: str | None = None,
    strata: str | Iterable[str] | None = None,
    clusters: str | Iterable[str] | None = None,
    fpc: str | Iterable[str] | None = None,
    lonely: str = "error",
    format: str | None = None,
) -> Survey:
    """Read a survey.

    Parameters
    ----------
    path : path or pandas.DataFrame
        A CSV or Parquet file, ``"package:NAME/DATASET"``, or a data frame.
    codebook : Codebook or path of a TOML file, optional
        Without one, cells are taken as they stand: nothing is guessed.
    weights : str, optional
        The column of sampling weights.
    strata, clusters, fpc : str or list of str, optional
        Design columns; lists for multi-stage designs. ``fpc`` holds population sizes (> 1) or
        sampling fractions; without ``weights`` the weights follow from it.
    lonely : str
        See :class:`cxlib.survey.Design`.
    format : str, optional
        ``"csv"`` or ``"parquet"``; without it the content decides.

    Returns
    -------
    Survey

    Raises
    ------
    CxError
        The file is missing or unreadable, a design column is unknown, a weight is missing, negative
        or all are zero.

    Examples
    --------
    >>> s = read_survey(pd.DataFrame({"nps": [10, 3, 9], "w": [1, 2, 1]}), weights="w")
    >>> len(s)
    3
    """
    design = Design(
        weights=weights or "",
        strata=_names(strata),
        clusters=_names(clusters),
        fpc=_names(fpc),
        lonely=lonely,
    )
    if isinstance(codebook, (str, Path)):
        codebook = Codebook.from_toml(codebook)
    book = codebook if codebook is not None else Codebook()
    if isinstance(path, pd.DataFrame):
        frame = path.reset_index(drop=True)
        frame.columns = [str(name) for name in frame.columns]
        return Survey(frame, book, design, source="a data frame")
    file = file_of(path)
    content = _bytes(file)
    chosen = format or _format(content)
    if chosen not in READERS:
        raise unknown("format", chosen, READERS)
    frame = READERS[chosen](content, file.name)
    return Survey(frame, book, design, source=f"{file.name}, sha256 {digest(content)[:16]}")


def file_of(path: str | Path) -> Path:
    """The file behind a path or a ``package:NAME/DATASET`` name."""
    if isinstance(path, str) and path.startswith("package:"):
        return packaged_data(path)
    if not isinstance(path, (str, Path)):
        raise CxError(
            "this is not a survey", got=type(path).__name__, want="a path or a pandas.DataFrame"
        )
    return Path(path)


def _names(given: str | Iterable[str] | None) -> tuple[str, ...]:
    if not given:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def _bytes(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise CxError(
            "no such data file", got=file, want="a CSV or Parquet file", do="check the path"
        ) from error
    except OSError as error:
        raise CxError(
            "the data file cannot be read",
            got=f"{file}: {error.strerror}",
            want="a readable CSV or Parquet file",
        ) from error
    if not content.strip():
        raise CxError("the data file is empty", got=file.name, want="a header and rows")
    return content


def _format(content: bytes) -> str:
    return "parquet" if content[:4] == b"PAR1" else "csv"
