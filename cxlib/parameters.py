"""Notebook parameters, typed and strict: what a notebook declares, and whether a value fits.

A notebook declares its parameters by plain assignments in the cell tagged ``parameters``. The
defaults give the types. The same check serves the runner, before anything runs, and
``open_study`` inside a kernel, so that plain papermill is as strict as ``cx report``.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CxError, unknown

#: The first line of the cell that papermill injects.
INJECTED = "# Parameters"


@dataclass(frozen=True)
class Range:
    """The values that a parameter may take; an open end is not itself allowed."""

    low: float = -math.inf
    high: float = math.inf
    open: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float):
            return False
        if self.open:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{'more than' if self.open else 'at least'} {self.low:g}"
        middle = "strictly between" if self.open else "from"
        return f"{middle} {self.low:g} {'and' if self.open else 'to'} {self.high:.0f}"


#: What the parameters of known names may be, in every notebook that declares them.
RANGES: dict[str, Range] = {
    "level": Range(0.5, 1, open=True),
    "seed": Range(0, 2**32 - 1),
    "margin": Range(0, open=True),
    "bootstrap": Range(0, 100_000),
    "draws": Range(0, 100_000),
    "power": Range(0, 1, open=True),
    "design_effect": Range(1),
    "small_cell": Range(0),
    "fast": Range(0, 1, open=True),
}

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def declared(notebook: Path) -> dict[str, object]:
    """The parameters of a notebook and their defaults, in the order in which they stand.

    Raises
    ------
    CxError
        The file is not a notebook, no cell is tagged ``parameters``, or a default is not a literal.
    """
    name = Path(notebook).name
    for cell in _cells(Path(notebook)):
        if "parameters" in cell.get("metadata", {}).get("tags", ()):
            source = cell.get("source", "")
            return assignments("".join(source), where=name)
    raise CxError(
        "the notebook declares no parameters",
        got=name,
        want="a cell tagged parameters with lines such as: level = 0.95",
        do="tag the cell in JupyterLab's property inspector",
    )


def assignments(source: str, *, where: str) -> dict[str, object]:
    """The names that a cell of plain assignments sets, and their values.

    Raises
    ------
    CxError
        The cell does not parse, or holds something else than ``name = literal``.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise CxError(
            "the parameters are not readable as Python",
            got=f"{where}, line {error.lineno}: {error.msg}",
            want="lines such as: level = 0.95",
        ) from error
    return dict(_assignment(statement, where) for statement in body)


def check(
    declared: Mapping[str, object], given: Mapping[str, object], *, where: str
) -> dict[str, Any]:
    """The given values as their parameters' types; an int will do for a float.

    Raises
    ------
    CxError
        A name that is not declared, a value of another type, or one outside :data:`RANGES`.
    """
    checked = {}
    for name, value in given.items():
        if name not in declared:
            raise unknown(f"parameter of {where}", name, declared)
        checked[name] = _typed(name, declared[name], value, where)
    return checked


def parse(declared: Mapping[str, object], text: str) -> tuple[str, Any]:
    """``"level=0.9"`` from the command line, as a name and a value of the declared type.

    Raises
    ------
    CxError
        There is no ``=``, the name is not declared, or the text is not of the declared type.
    """
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name:
        raise CxError("a setting is NAME=VALUE", got=repr(text), want="for example level=0.9")
    if name not in declared:
        raise unknown("parameter", name, declared)
    return name, _read(name, declared[name], value.strip())


def check_injected(declared_names: Iterable[str] = ()) -> None:
    """Hold the parameters that papermill injected against the notebook's own defaults.

    To be called inside a kernel. The injected cell is the last one in IPython's input history
    that begins with ``# Parameters``; the cell that ran before it holds the defaults. Outside
    IPython, and where nothing was injected, nothing happens.

    Parameters
    ----------
    declared_names : iterable of str
        Names that need no default, because the caller knows them.

    Raises
    ------
    CxError
        An injected name has no default, or its value is of another type or out of range.
    """
    cells = _history()
    at = max((i for i, cell in enumerate(cells) if cell.startswith(INJECTED)), default=0)
    if not at:
        return
    injected = assignments(cells[at], where="the injected parameters")
    try:
        defaults = assignments(cells[at - 1], where="the parameters")
    except CxError:
        defaults = {}
    known = {**dict.fromkeys(declared_names), **defaults}
    if known:
        check(known, injected, where="this notebook")


def _history() -> list[str]:
    try:
        from IPython import get_ipython
    except ImportError:
        return []
    shell = get_ipython()
    return [] if shell is None else [str(cell) for cell in shell.user_ns.get("In", ())]


def _cells(notebook: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        return content["cells"]
    except FileNotFoundError as error:
        raise CxError("no such notebook", got=notebook, want="an .ipynb file") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CxError(
            "the file is not readable as a notebook",
            got=f"{notebook.name}: {error}",
            want="an .ipynb file of format 4",
        ) from error


def _assignment(statement: ast.stmt, where: str) -> tuple[str, object]:
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else []
    )
    value = getattr(statement, "value", None)
    if len(targets) == 1 and isinstance(targets[0], ast.Name) and value is not None:
        try:
            return targets[0].id, ast.literal_eval(value)
        except ValueError:
            pass
    raise CxError(
        "a parameter is a plain value under a name",
        got=f"{where}, line {statement.lineno}: {ast.unparse(statement)}",
        want="name = a number, text, True, False, None or a list of these",
    )


def _typed(name: str, default: object, value: object, where: str) -> object:
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(value)
    if default is not None and type(value) is not type(default):
        raise _mistyped(name, default, repr(value), f" in {where}")
    if isinstance(value, float) and not math.isfinite(value):
        raise CxError(f"the parameter {name} is not a number", got=value, want="a finite number")
    allowed = RANGES.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if allowed is not None and number and value not in allowed:
        raise CxError(f"the parameter {name} is out of range", got=value, want=str(allowed))
    return value


def _read(name: str, default: object, text: str) -> object:
    try:
        if isinstance(default, bool):
            if text.lower() in _TRUE + _FALSE:
                return text.lower() in _TRUE
            raise ValueError(text)
        if isinstance(default, str):
            return text
        if isinstance(default, int | float):
            return type(default)(text)
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        if default is None:
            return text
        raise _mistyped(name, default, repr(text), "") from error


def _mistyped(name: str, default: object, got: str, where: str) -> CxError:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    wanted = kinds.get(type(default), f"a {type(default).__name__}")
    return CxError(
        f"the parameter {name}{where} is of another type",
        got=got,
        want=f"{wanted}, such as {default!r}",
    )
