"""Columns made from other columns by arithmetic that a study file may write, and nothing else.

The expression is parsed, not evaluated: names of columns, numbers, + − * / and comparisons. A study
file therefore cannot run anything.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .errors import CxError, unknown

_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def derive(frame: pd.DataFrame, name: str, expression: str) -> pd.Series:
    """The column that ``expression`` makes of the frame's columns.

    A comparison gives 1 and 0, and stays missing where a side is missing. Division by zero gives a
    missing value.

    Raises
    ------
    CxError
        The expression is not arithmetic on columns; a column is unknown or holds text.

    Examples
    --------
    >>> frame = pd.DataFrame({"paid": [3, 0], "list": [2, 2]})
    >>> derive(frame, "premium", "(paid - list) / list").tolist()
    [0.5, -1.0]
    """
    try:
        tree = ast.parse(str(expression), mode="eval").body
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            values = _value(tree, frame, name, expression)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise _not_arithmetic(name, expression) from error
    series = pd.Series(values, index=frame.index, dtype=float)
    return series.where(np.isfinite(series))


def _value(node: ast.expr, frame: pd.DataFrame, name: str, expression: str) -> Any:
    def of(part: ast.expr) -> Any:
        return _value(part, frame, name, expression)

    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return _column(frame, node.id, name)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -of(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _ARITHMETIC[type(node.op)](of(node.left), of(node.right))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        left, right = of(node.left), of(node.comparators[0])
        known = ~(np.isnan(left) | np.isnan(right))
        return np.where(known, _COMPARE[type(node.ops[0])](left, right), np.nan)
    raise _not_arithmetic(name, expression)


def _column(frame: pd.DataFrame, column: str, name: str) -> np.ndarray:
    if column not in frame:
        raise unknown(f"column in [derive] {name}", column, frame.columns)
    values = pd.to_numeric(frame[column], errors="coerce")
    if (values.isna() & frame[column].notna()).any():
        raise CxError(
            f"{column!r} holds text where numbers belong",
            got=f"[derive] {name}",
            want="columns of numbers",
        )
    return values.to_numpy(dtype=float, na_value=np.nan)


def _not_arithmetic(name: str, expression: object) -> CxError:
    return CxError(
        f"[derive] {name} is not arithmetic on columns",
        got=repr(str(expression)[:80]),
        want="column names, numbers, + - * / ( ) and one comparison, e.g. '(paid - list) / list'",
        do="name columns plainly; rename odd ones under [columns] first",
    )
