"""Studies whose truth is known: a simulated country of customers, and a survey drawn from it.

Customers come from an infinite population: four regions of fixed shares, clusters (sampling
points) whose effects have known variances, and a model of experience, failure, loyalty and
willingness to pay. The survey takes equally many people a region though the regions differ in
size, oversamples long-standing customers, and the old answer more often than the young; ``weight``
undoes all three, which depend on nothing but region, age and tenure. Item nonresponse (-99, and
-97 for income) is completely at random, so that an estimate from those who answered aims at the
truth of :func:`truth`. Failure depends on sector, tenure band and the cluster's incidents; leaving
on sector, tenure band, experience and the cluster's market: standardising the excess risk on
sector × tenure band (:data:`TENURE_BANDS`) therefore gives the causal one, the crude one does not.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import paths
from ..errors import CxError
from .blocks import answers
from .truth import truth
from .world import REGIONS, TENURE_BANDS, TIER_FLOORS, Array, Columns, live, sample

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REGIONS", "TENURE_BANDS", "TIER_FLOORS", "Simulated", "study", "truth", "write"]

SEED = 20260105
_LEAST, _MOST = 100, 1_000_000
_ROWS = 5_000
_DECIMALS = {"weight": 6, "spend_12m": 2}


@dataclass(frozen=True)
class Simulated:
    """A simulated study.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a respondent, the columns by their names in the questionnaire, missing codes kept;
        beside them ``cluster_id`` and ``synthetic`` (always 1). Strata are the regions.
    truth : dict
        ``synthetic, n, seed, strata, clusters, weights`` and ``estimands`` (see :func:`truth`).
    """

    frame: pd.DataFrame
    truth: dict[str, Any]


def study(n: int = 1500, *, seed: int = SEED) -> Simulated:
    """A survey of ``n`` simulated customers, and what is true of the population behind it.

    The truth is the same for every ``n`` and ``seed``: it is read from the workbook's
    ``data/sample/truth.json``, where :func:`truth` has put it.

    Raises
    ------
    CxError
        ``n`` is no whole number from 100 to 1 000 000, or ``seed`` none from 0 up.
    """
    import pandas as pd

    columns = _columns(n, seed)
    return Simulated(pd.DataFrame(columns), _truth(n, seed, _known()))


def write(
    out: str | Path, n: int = 1500, seed: int = SEED, *, recompute: bool = False
) -> tuple[Path, Path]:
    """Write ``survey.csv`` and ``truth.json`` into the folder ``out``, which is made if need be.

    Each file is written beside its place and then moved there. The same ``n`` and ``seed`` give
    the same bytes. ``recompute=True`` draws the truth anew (half a minute) instead of reading
    the workbook's.

    Raises
    ------
    CxError
        As :func:`study`; or ``out`` is no folder, or cannot be written to.
    """
    columns = _columns(n, seed)
    known = truth() if recompute else _known()
    text = json.dumps(_truth(n, seed, known), indent=1, ensure_ascii=False) + "\n"
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (
            _replace(folder / "survey.csv", _csv(columns)),
            _replace(folder / "truth.json", [text]),
        )
    except (FileExistsError, NotADirectoryError) as error:
        raise CxError("the output is not a folder", got=out, want="a folder") from error
    except OSError as error:
        got = f"{out}: {error.strerror}"
        raise CxError("the study cannot be written", got=got, do="name another folder") from error


def _columns(n: int, seed: int) -> Columns:
    if not _whole(n) or not _LEAST <= n <= _MOST:
        raise CxError(
            "the size of the study is out of range",
            got=f"n = {n!r}",
            want=f"a whole number from {_LEAST} to {_MOST}",
        )
    if not _whole(seed) or seed < 0:
        raise CxError("no such seed", got=f"seed = {seed!r}", want="a whole number from 0 up")
    world = sample(int(n), int(seed))
    live(world)
    return {name: _tidy(values) for name, values in answers(world).items()}


def _whole(number: object) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)


def _tidy(values: Array) -> Array:
    """Whole numbers as integers, unless some are not shown."""
    if values.dtype.kind == "f" and np.all(np.mod(values, 1) == 0):
        return values.astype(np.int64)
    return values.astype(np.int64) if values.dtype.kind in "bi" else values


def _known() -> dict[str, Any]:
    path = paths.data("sample", "truth.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))["estimands"]
    except (OSError, ValueError, KeyError) as error:
        raise CxError(
            "the truth of the simulated population cannot be read",
            got=f"{path.name}: {type(error).__name__}",
            want="data/sample/truth.json of the workbook",
            do="install cxlib again, or compute it: cxlib.simulate.truth()",
        ) from error


def _truth(n: int, seed: int, estimands: dict[str, Any]) -> dict[str, Any]:
    design = {"strata": "region", "clusters": "cluster_id", "weights": "weight"}
    about = "Simulated customers: nobody was asked. The truth holds for every n and seed."
    head = {"synthetic": True, "about": about, "n": int(n), "seed": int(seed)}
    return {**head, **design, "estimands": estimands}


def _csv(columns: Columns) -> Iterator[str]:
    """The file, some thousand rows at a time."""
    yield ",".join(columns) + "\n"
    rows = len(columns["resp_id"])
    for start in range(0, rows, _ROWS):
        part = slice(start, start + _ROWS)
        cells = [_cells(name, values[part]) for name, values in columns.items()]
        yield "".join(",".join(row) + "\n" for row in zip(*cells, strict=True))


def _cells(name: str, values: Array) -> list[str]:
    """Numbers with the column's decimals, none for most; an empty cell where not shown."""
    if values.dtype.kind == "U":
        return values.tolist()
    decimals = _DECIMALS.get(name, 0)
    return ["" if value != value else f"{value:.{decimals}f}" for value in values.tolist()]


def _replace(path: Path, pieces: Iterable[str]) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
