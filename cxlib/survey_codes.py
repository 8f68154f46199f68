"""Answers as numbers from 0, in order, and answers as text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .codebook import Question
from .errors import CxError


def renumber(keys: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys (0 … size − 1, shape (rows,)) numbered from 0 in order, and the keys that occur.

    As ``numpy.unique`` with its inverse, without sorting the rows.
    """
    if size > 4 * len(keys) + 10_000:
        codes, present = pd.factorize(keys, sort=True)
        return codes.astype(np.int64, copy=False), present
    occurs = np.bincount(keys, minlength=size) > 0
    present = np.flatnonzero(occurs)
    if len(present) == size:
        return keys, present
    return (np.cumsum(occurs) - 1)[keys], present


def factorize(column: pd.Series) -> tuple[np.ndarray, Sequence[Any]]:
    """The place of each row's answer among the answers (−1 for none), and the answers.

    As ``pandas.factorize``, without its table where whole numbers lie close together.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "i" and len(column):
        values = column.to_numpy()
        low, high = int(values.min()), int(values.max())
        if high - low <= 4 * len(values):
            codes, present = renumber(values.astype(np.int64, copy=False) - low, high - low + 1)
            return codes, [low + int(place) for place in present]
    codes, answers = pd.factorize(column)
    return codes.astype(np.int64, copy=False), answers


def numbered(column: pd.Series, question: Question) -> tuple[np.ndarray, tuple[str, ...]]:
    """The place of each row's answer among the labels, −1 for none, and the labels in order.

    Answers with the same label share a place.
    """
    codes, answers = factorize(column)
    place = np.full(len(answers) + 1, -1)
    labels: dict[str, int] = {}
    for at in sorted(range(len(answers)), key=lambda at: order_of(answers[at])):
        place[at] = labels.setdefault(label_of(question, answers[at]), len(labels))
    return place[codes], tuple(labels)


def order_of(code: Any) -> tuple[int, float, str]:
    """What answers are sorted by: numbers first, then text."""
    try:
        return 0, float(code), ""
    except (TypeError, ValueError):
        return 1, 0.0, str(code)


def code_text(code: Any) -> str:
    """A code as it is written: 1 for 1.0."""
    if isinstance(code, (bool, np.bool_)):
        return str(code)
    if isinstance(code, (float, np.floating)) and float(code).is_integer():
        return str(int(code))
    return str(code)


def label_of(question: Question, code: Any) -> str:
    """The label of a code in the codebook, else the code as text."""
    try:
        return question.labels.get(float(code)) or code_text(code)
    except (TypeError, ValueError):
        return str(code)


def plain_column(column: pd.Series) -> pd.Series:
    """A categorical column as its categories' own kind; any other as it is."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    return pd.Series(column.to_numpy(dtype=object), index=column.index).infer_objects()


def coded(column: pd.Series, codes: list) -> np.ndarray:
    """Where a column holds one of the codes: as numbers, or as text that reads like them."""
    if not codes:
        return np.zeros(len(column), bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.isin(codes).to_numpy(dtype=bool, na_value=False)
    words = {code_text(code) for code in codes}
    return column.map(code_text, na_action="ignore").isin(words).to_numpy(dtype=bool)


def conditions(where: str) -> dict[str, list[str]]:
    """``"sector=1|2; country=IE"`` as columns and the values that they may have.

    Raises
    ------
    CxError
        A part is not ``COLUMN=VALUE``, or a column stands twice.
    """
    found: dict[str, list[str]] = {}
    for part in where.split(";"):
        if not part.strip():
            continue
        name, sign, values = (piece.strip() for piece in part.partition("="))
        codes = [value.strip() for value in values.split("|") if value.strip()]
        if not sign or not name or not codes or name in found:
            raise CxError(
                "a segment is COLUMN=VALUE",
                got=repr(part.strip()),
                want='for example "sector=6", or "sector=6|7; country=IE"',
            )
        found[name] = codes
    return found


def digest(content: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(content).hexdigest()


def numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers (or truth values)."""
    return pd.api.types.is_numeric_dtype(column.dtype)
