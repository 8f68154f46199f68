"""Ratings as they come: tables of numbers or words, with gaps, turned into places of categories.

Public functions stand in :mod:`cxlib.agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .survey_codes import code_text

METHODS = ("kappa", "weighted-kappa", "fleiss", "conger", "krippendorff", "icc", "kendall-w")


@dataclass(frozen=True, eq=False)
class Table:
    """Ratings as places in the list of categories (−1 for none), shape (objects, raters)."""

    codes: np.ndarray
    labels: tuple[str, ...]
    values: np.ndarray | None
    lost: int
    cautions: tuple[str, ...] = ()

    def against(self, place: int) -> Table:
        """This category against all others."""
        codes = np.where(self.codes < 0, -1, (self.codes == place).astype(int))
        return replace(self, codes=codes, labels=("other", self.labels[place]), values=None)

    @property
    def counts(self) -> np.ndarray:
        """How often each object got each category, shape (objects, categories)."""
        n, k = len(self.codes), len(self.labels)
        rated = self.codes >= 0
        at = np.repeat(np.arange(n), rated.sum(1)) * k + self.codes[rated]
        return np.bincount(at, minlength=n * k).reshape(n, k).astype(float)

    def numbers(self, what: str) -> np.ndarray:
        if self.values is None:
            raise CxError(f"{what} needs numbers", got="words", want="ratings as numbers")
        return self.values


def table_of(ratings: Any, method: str, categories: Sequence[Any] | None, category: Any) -> Table:
    if method not in METHODS:
        raise unknown("method of agreement", method, METHODS)
    frame = _frame(ratings)
    codes, known, ordered = _coded(frame, categories)
    given = (codes >= 0).sum(1)
    keep = given >= (2 if method == "krippendorff" else codes.shape[1])
    lost, codes = int((~keep).sum()), codes[keep]
    if len(codes) < 2:
        raise CxError(
            "too few objects were rated by all",
            got=f"{len(codes)} of {len(keep)}",
            want="two or more",
            do='with gaps, take method="krippendorff"',
        )
    if method in ("kappa", "weighted-kappa") and codes.shape[1] != 2:
        raise CxError(
            "Cohen's kappa is for two raters",
            got=f"{codes.shape[1]} raters",
            want="two columns",
            do='take method="fleiss" or "krippendorff"',
        )
    if categories is None:
        used = np.unique(codes[codes >= 0])
        place = np.full(len(known) + 1, -1)
        place[used] = np.arange(len(used))
        codes, known = place[codes], [known[i] for i in used]
    labels = tuple(map(code_text, known))
    told = () if ordered else (f"categories are ordered by name: {', '.join(labels[:8])}",)
    table = Table(codes, labels, _as_numbers(known), lost, told)
    if category is None:
        return table
    if code_text(category) not in labels:
        raise unknown("category", category, labels)
    return table.against(labels.index(code_text(category)))


def _frame(ratings: Any) -> pd.DataFrame:
    try:
        frame = ratings if isinstance(ratings, pd.DataFrame) else pd.DataFrame(ratings)
    except (TypeError, ValueError):
        raise CxError(
            "ratings are a table",
            got=type(ratings).__name__,
            want="a row an object, a column a rater",
        ) from None
    if frame.shape[1] < 2 or len(frame) < 2:
        raise CxError(
            "agreement needs two objects and two raters",
            got=f"{len(frame)} rows, {frame.shape[1]} columns",
            want="a row an object, a column a rater",
        )
    return frame


def _coded(
    frame: pd.DataFrame, categories: Sequence[Any] | None
) -> tuple[np.ndarray, list[Any], bool]:
    """Places (−1 for a gap), the categories, and whether their order is known."""
    types = [frame.iloc[:, i].dtype for i in range(frame.shape[1])]
    if categories is None and all(isinstance(t, pd.CategoricalDtype) and t.ordered for t in types):
        if any(list(t.categories) != list(types[0].categories) for t in types):
            raise CxError("the raters' categories differ", want="one ordered list for all columns")
        categories = list(types[0].categories)
    cells = pd.Series(
        np.concatenate([frame.iloc[:, i].to_numpy(object) for i in range(len(types))])
    )
    cells = cells.where(cells.map(lambda c: not (isinstance(c, str) and not c.strip())), None)
    gap = cells.isna().to_numpy()
    as_numbers = pd.to_numeric(cells.where(~gap, None), errors="coerce").to_numpy(float)
    if np.isinf(as_numbers).any():
        raise CxError("ratings hold an infinity", got="inf", want="finite numbers or words")
    all_numbers = not (np.isnan(as_numbers) & ~gap).any()
    if categories is not None:
        known, keys = list(categories), [code_text(c) for c in categories]
        if len(set(keys)) < len(keys):
            raise CxError("a category stands twice", got=", ".join(keys[:8]))
        codes = pd.Index(keys).get_indexer([code_text(c) for c in cells])
        strange = {code_text(c) for c in cells[(codes < 0) & ~gap]}
        if strange:
            raise unknown("category", sorted(strange)[0], keys)
        codes = np.where(gap, -1, codes)
    else:
        column = as_numbers if all_numbers else np.array([code_text(c) for c in cells], object)
        known, codes = np.unique(column[~gap], return_inverse=True), np.full(len(cells), -1)
        codes, at = codes, known[1]
        known = list(known[0])
        codes[~gap] = at
    shaped = codes.reshape(frame.shape[1], len(frame)).T
    return shaped, known, all_numbers or categories is not None


def _as_numbers(known: list[Any]) -> np.ndarray | None:
    try:
        return np.asarray(known, dtype=float)
    except (TypeError, ValueError):
        return None
