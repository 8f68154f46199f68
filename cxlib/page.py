"""What a page says beside its results: the answer in one sentence, and the colophon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from .show import table

#: The MIME type of the sentence that the renderer lifts under the page's title.
ANSWER_MIME = "application/vnd.cxlib.answer+json"


@dataclass(frozen=True)
class Answer:
    """The page's answer, as a reader may repeat it."""

    text: str
    claims: tuple[str, ...] = ()
    verdict: str = ""

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/plain": self.text,
            "text/html": f'<p class="cx-answer">{escape(self.text)}</p>',
            ANSWER_MIME: {
                "text": self.text,
                "claim": ", ".join(self.claims),
                "verdict": self.verdict,
            },
        }


@dataclass(frozen=True)
class Facts:
    """A small table of facts about the study or the page: no estimates, no records."""

    title: str
    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        width = max((len(label) for label, _ in self.rows), default=0) + 1
        lines = [f"  {label + ':':<{width}} {text}" for label, text in self.rows]
        return "\n".join([self.title, *lines])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        rows = [("", row) for row in self.rows]
        return {
            "text/plain": str(self),
            "text/html": f'<div class="cx cx-facts">{table(("", ""), rows, caption=self.title)}'
            "</div>",
        }


def facts(title: str, rows: Mapping[str, object] | Sequence[tuple[str, object]]) -> Facts:
    """Facts from pairs; values are written as text."""
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    return Facts(title, tuple((str(label), str(value)) for label, value in pairs))
