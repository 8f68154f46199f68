"""The one error class of the house: what is wrong, what was got, what is wanted, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CxError(Exception):
    """An error that tells a person what to do next.

    Parameters
    ----------
    what : str
        What is wrong, in a few plain words.
    got, want, do : str, optional
        What was found, what would be right, and the next step. Empty lines are not printed.

    Examples
    --------
    >>> print(CxError("unknown question", got="npss", want="a column of the survey", do="try nps"))
    unknown question
      got:  npss
      want: a column of the survey
      do:   try nps
    """

    def __init__(self, what: str, *, got: object = "", want: object = "", do: object = "") -> None:
        self.what, self.got, self.want, self.do = what, str(got), str(want), str(do)
        super().__init__(what, self.got, self.want, self.do)

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {label + ':':<5} {text}" for label, text in self._parts() if text]
        return "\n".join(lines)

    def __reduce__(self):
        return _rebuild, (self.what, self.got, self.want, self.do)

    def _parts(self) -> tuple[tuple[str, str], ...]:
        return ("got", self.got), ("want", self.want), ("do", self.do)

    def to_dict(self) -> dict[str, str]:
        """The four lines as a dict, for ``--json`` output."""
        return {"what": self.what, **dict(self._parts())}


def _rebuild(what: str, got: str, want: str, do: str) -> CxError:
    return CxError(what, got=got, want=want, do=do)


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """``did you mean 'nps'?`` for the nearest known words, or ``""`` when nothing is near.

    >>> did_you_mean("levae_love", ["leave_love", "nps"])
    "did you mean 'leave_love'?"
    """
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(word), names, n=2, cutoff=0.6)
    if not near:
        lowered = {name.lower(): name for name in names}
        near = [
            lowered[low] for low in difflib.get_close_matches(str(word).lower(), list(lowered), n=2)
        ]
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def unknown(kind: str, word: object, known: Iterable[object], *, do: str = "") -> CxError:
    """The error for a name that does not exist, with the nearest ones that do."""
    names = sorted({str(name) for name in known})
    shown = ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")
    hint = "; ".join(part for part in (did_you_mean(word, names), do) if part)
    return CxError(f"unknown {kind}", got=repr(word), want=shown or "nothing is known", do=hint)
