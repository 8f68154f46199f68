"""The claims that the workbook puts to the test, from ``data/claims.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import paths
from .codebook import read_toml
from .errors import CxError, unknown

_TEXTS = ("statement", "question", "kind", "notebook")


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    id : str
        ``"C01"`` … ``"C25"``.
    statement : str
        What is claimed, in our words.
    kind : str
        ``"B"``: a published figure to hold one's own data against; ``"H"``: a hypothesis.
    notebook : str
        The notebook that answers it, e.g. ``"25-loyalty-loss"``.
    statements : tuple of str
        The finer statements of the source articles, e.g. ``("B3",)``.
    question : str
        What a manager would ask.
    """

    id: str
    statement: str
    kind: str
    notebook: str
    statements: tuple[str, ...]
    question: str

    @property
    def kind_text(self) -> str:
        """``"published figure"`` or ``"hypothesis"``."""
        return "published figure" if self.kind == "B" else "hypothesis"


@cache
def claims(path: Path | None = None) -> tuple[Claim, ...]:
    """All claims, in the order of the scorecard.

    Raises
    ------
    CxError
        The file is not readable, or a table lacks a key or has one too many.
    """
    path = paths.data("claims.toml") if path is None else path
    return tuple(_claim(path, name, table) for name, table in read_toml(path).items())


def claim(id: str) -> Claim:
    """The claim of that id (``"C03"``, also ``"c03"``), or a :class:`CxError` with the nearest."""
    known = {c.id: c for c in claims()}
    try:
        return known[str(id).upper()]
    except KeyError:
        raise unknown("claim", id, known, do="cx claims lists them all") from None


def _claim(path: Path, name: str, table: object) -> Claim:
    where = f"{path.name}, [{name}]"
    if not isinstance(table, dict):
        raise CxError("a claim is a table", got=where, want="[C01] with its keys below")
    for key in table:
        if key not in (*_TEXTS, "statements"):
            raise unknown(f"key in {where}", key, (*_TEXTS, "statements"))
    texts = {key: table.get(key) for key in _TEXTS}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise CxError(f"a claim lacks its {key}", got=where, want=f'{key} = "…"')
    if texts["kind"] not in ("B", "H"):
        raise CxError(
            "a claim is of an unknown kind", got=f"{where}: {texts['kind']!r}", want='"B" or "H"'
        )
    return Claim(id=name, statements=tuple(map(str, table.get("statements", ()))), **texts)
