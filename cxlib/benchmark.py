"""The registry of published figures: each with its base, wording, sample, grade and doubts.

One file a source in ``data/benchmarks``, one table a figure. A figure that no test can be run
against (a maximum, an estimate without a sample, one seen only in an article) says so itself:
see :attr:`Benchmark.refusal`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from html import escape
from pathlib import Path
from statistics import NormalDist
from typing import Any

from . import paths
from .codebook import Meaning, read_toml
from .errors import CxError, unknown

#: The claims that a figure may speak to.
CLAIMS = tuple(f"C{number:02d}" for number in range(1, 26))

#: Where a figure was seen, best first.
GRADES: dict[str, str] = {
    "P": "publisher's own page",
    "PC": "publisher's document, read in a copy that others host",
    "S": "secondary source",
    "ARTICLE": "seen only in the source article",
    "U": "unverified",
    "NF": "not found",
    "derived": "computed from published figures",
}

_TESTABLE = "share share_of_firms count_share mean_pct count_mean gap_pp index index_change points"
_TESTABLE += " derived_index ratio effect_pct effect_r effect_elasticity relative_pct"
#: Kinds of value, each with the reason why no test may be run against it ("" where one may).
KINDS: dict[str, str] = dict.fromkeys(_TESTABLE.split(), "") | {
    "estimate": "an estimate without a sample",
    "max_pct": 'a maximum ("up to"): one respondent is enough to reach it',
    "not_found": "no figure was found",
    "range": "a range, not one figure",
    "rank": "an order, not a figure",
    "sign": "a direction only, without its size",
    "method": "a method, not a figure",
}

_STATUS_CAUTIONS: dict[str, str] = {
    "ok": "",
    "ambiguous": "The published text can be read in more than one way.",
    "base_conflict": "Sources disagree on whom the figure is a share of.",
    "conflict": "Sources give different figures for it.",
    "primary_gone": "The publisher's own page is gone.",
    "weak": "The source is weak.",
    "wording_drift": "The wording changed between waves: no trend may be read from it.",
}
#: Statuses, each with the reason to refuse a test ("" where none).
STATUSES: dict[str, str] = dict.fromkeys(_STATUS_CAUTIONS, "") | {
    "article_only": "seen only in the source article: sample and method are not published",
    "headline_misleading": "the headline does not say what was measured",
    "not_found": "unverified: no source was found for it",
}
_GRADE_CAUTIONS: dict[str, str] = {
    "PC": "Read in a copy of the publisher's document that others host.",
    "S": "Read in a secondary source, not the publisher's own.",
    "ARTICLE": "Seen only in the source article.",
    "U": "Unverified.",
    "NF": "Not found.",
    "derived": "Computed from published figures, not published itself.",
}
_WORDINGS = (
    "verbatim",
    "anchors verbatim",
    "report sentence, not the question",
    "publisher's sentence",
    "secondary sentence",
    "paraphrase",
    "not found",
)
_SHOWN = {"ratio": "{} times", "r": "r = {}", "elasticity": "elasticity {}"}
_SHOWN |= {"scale 0-100": "{} of 100"}
_SHARES = frozenset({"share", "share_of_firms"})
_DATE = re.compile(r"(\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?)?")


@dataclass(frozen=True)
class Benchmark:
    """A published figure and what is known of it.

    Attributes
    ----------
    id, metric : str
        Its name in the registry, and what it says in a sentence.
    claims, statements : tuple of str
        The claims (C01–C25) that it speaks to, and the finer statements behind them.
    value : float or None
        In ``unit``: 0–1 for every unit that begins with "share", natural numbers else. ``None``
        where nothing is published as one number (``low`` and ``high`` for a range, ``finding``
        for a rank, a direction, a method or the sum behind a derived figure).
    unit, kind : str
        The unit of the value; one of :data:`KINDS`.
    decimals : int
        Decimals of the published figure (of the percent, for shares); −1 for figures in words
        ("nine out of ten").
    n : int or None
        ``None`` when unpublished; ``n_kind`` is ``exact``, ``approx`` or ``unpublished``.
    geography : tuple of str
        ISO 3166 two-letter codes, or a description; empty when unpublished.
    published, field_start, field_end : str
        Dates as exact as they are known; "" when unpublished.
    grade, status : str
        One of :data:`GRADES` and of :data:`STATUSES`.
    question : str
        The question of the canonical questionnaire that asks the same, or "".
    margin : float or None
        The margin of equivalence that a comparison takes by default, in ``unit``.
    meaning : Meaning
        By which the comparability guard matches it with an estimate of one's own.
    """

    id: str
    metric: str
    claims: tuple[str, ...]
    statements: tuple[str, ...]
    value: float | None
    unit: str
    kind: str
    decimals: int
    n: int | None
    n_kind: str
    population: str
    geography: tuple[str, ...]
    published: str
    field_start: str
    field_end: str
    mode: str
    wording: str
    wording_status: str
    title: str
    publisher: str
    seen_at: str
    accessed: str
    grade: str
    status: str
    caveats: tuple[str, ...]
    question: str
    margin: float | None
    meaning: Meaning
    low: float | None = None
    high: float | None = None
    finding: str = ""

    @property
    def refusal(self) -> str:
        """Why no test may be run against it; "" where one may."""
        reasons = [STATUSES[self.status], KINDS[self.kind]]
        if self.kind == "relative_pct" and not self.meaning.base:
            reasons.append("a relative figure without a base")
        if self.value is None and not any(reasons):
            reasons.append("no value is published")
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to keep in mind beside the figure, one sentence each."""
        said = [_GRADE_CAUTIONS.get(self.grade, ""), _STATUS_CAUTIONS.get(self.status, "")]
        if self.n_kind == "approx":
            said.append("Its number of respondents is approximate.")
        elif self.n is None and self.kind in _SHARES:
            said.append("Its number of respondents is unpublished.")
        return tuple(dict.fromkeys(line for line in (*said, *self.caveats) if line))

    @property
    def rounding(self) -> float:
        """Half the width of the interval that rounds to the published figure, in ``unit``.

        32 % may be anything from 31.5 to 32.5 %: 0.005.
        """
        half = 0.5 * 10.0**-self.decimals
        return half / 100 if self.unit.startswith("share") else half

    def se(self, design_effect: float = 1.5) -> float | None:
        """Standard error of a published share, ``sqrt(design_effect · p (1 − p) / n)``.

        Parameters
        ----------
        design_effect : float
            How many times the variance of a simple random sample; 1.5 suits web panels.

        Returns
        -------
        float or None
            ``None`` when n is unpublished, or the figure is no share of a sample.
        """
        _check_number("design_effect", design_effect, 0.0, math.inf)
        if self.n is None or self.value is None or self.kind not in _SHARES:
            return None
        return math.sqrt(design_effect * self.value * (1 - self.value) / self.n)

    def interval(
        self, level: float = 0.95, design_effect: float = 1.5
    ) -> tuple[float, float] | None:
        """Wilson interval of a published share at ``n / design_effect``; rounding is not in it.

        Returns
        -------
        (low, high) or None
            ``None`` where :meth:`se` is.

        References
        ----------
        E. B. Wilson (1927), Journal of the American Statistical Association 22, 209–212.
        """
        _check_number("level", level, 0.0, 1.0)
        if self.se(design_effect) is None:
            return None
        share, size = float(self.value), self.n / design_effect
        z = NormalDist().inv_cdf(0.5 + level / 2)
        middle = (share + z * z / (2 * size)) / (1 + z * z / size)
        half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
        half /= 1 + z * z / size
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def shown(self) -> str:
        """The value as it is written on pages: ``32 %``, ``1.21 times``, ``7–15 points``."""
        if self.value is not None:
            return self._written(self.value)
        if self.low is not None and self.high is not None:
            return f"{self._written(self.low).split(' ')[0]}–{self._written(self.high)}"
        return self.finding or "not published"

    def _written(self, value: float) -> str:
        if not self.unit.startswith("share"):
            return _SHOWN.get(self.unit, "{} " + self.unit).format(f"{value:.6g}")
        ending = "points" if self.unit == "share points" else "%"
        tail = self.unit.removeprefix("share").removeprefix(" points")
        return f"{round(100 * value, 4):.6g} {ending}{tail}"

    def to_frame(self):
        """One row: every field, the meaning's fields flat, the refusal and the cautions."""
        import pandas as pd

        flat = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "meaning"}
        flat = {
            key: "; ".join(part) if isinstance(part, tuple) else part for key, part in flat.items()
        }
        flat |= {
            ("unit_of" if f.name == "unit" else f.name): getattr(self.meaning, f.name)
            for f in fields(Meaning)
        }
        flat |= {"refusal": self.refusal, "cautions": " ".join(self.cautions)}
        return pd.DataFrame([flat])

    def _rows(self) -> list[tuple[str, str]]:
        field = " to ".join(dict.fromkeys(filter(None, (self.field_start, self.field_end))))
        size = "unpublished" if self.n is None else f"{self.n:,}"
        about = "about " if self.n_kind == "approx" else ""
        rows = [
            ("figure", self.shown),
            ("of", self.meaning.base or "base unpublished"),
            ("n", about + size),
            ("population", self.population or "unpublished"),
            ("where", ", ".join(self.geography) or "unpublished"),
            ("fieldwork", field or "unpublished"),
            ("source", f"{self.publisher}, {self.title} ({self.published or 'no date'})"),
            ("grade", f"{self.grade}: {GRADES[self.grade]}"),
            ("claims", ", ".join(self.claims) or "none"),
        ]
        if self.refusal:
            rows.append(("no test", self.refusal))
        return rows + [("caution", line) for line in self.cautions]

    def __str__(self) -> str:
        lines = [f"{self.id}: {self.metric}"]
        return "\n".join(lines + [f"  {label + ':':<12} {text}" for label, text in self._rows()])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(label)}</th><td>{escape(text)}</td></tr>'
            for label, text in self._rows()
        )
        caption = f"<code>{escape(self.id)}</code> {escape(self.metric)}"
        return f'<table class="cx-benchmark"><caption>{caption}</caption>{rows}</table>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def benchmark(name: str, *, folder: str | Path | None = None) -> Benchmark:
    """The published figure of that id.

    Raises
    ------
    CxError
        No figure has that id (the nearest ones are named).
    """
    known = _registry(folder)
    try:
        return known[name]
    except (KeyError, TypeError):
        raise unknown("benchmark", name, known, do="cx benchmarks lists them all") from None


def benchmarks(
    claim: str | None = None, *, folder: str | Path | None = None
) -> tuple[Benchmark, ...]:
    """All published figures, in the order of their ids.

    Parameters
    ----------
    claim : str, optional
        Only those that speak to this claim, e.g. ``"C03"``.
    folder : path, optional
        Another folder of TOML files than the workbook's own.
    """
    found = tuple(_registry(folder).values())
    if claim is None:
        return found
    if claim not in CLAIMS:
        raise unknown("claim", claim, CLAIMS)
    return tuple(one for one in found if claim in one.claims)


def _registry(folder: str | Path | None) -> Mapping[str, Benchmark]:
    return _load(str(Path(folder).resolve() if folder else paths.data("benchmarks")))


@cache
def _load(folder: str) -> Mapping[str, Benchmark]:
    files = sorted(Path(folder).glob("*.toml"))
    if not files:
        raise CxError("no benchmarks are there", got=folder, want="a folder of TOML files")
    found: dict[str, Benchmark] = {}
    home: dict[str, str] = {}
    for file in files:
        for one in read_source(file):
            if one.id in found:
                raise CxError(
                    f"the benchmark {one.id!r} is there twice",
                    got=f"{home[one.id]} and {file.name}",
                    want="one table in one file",
                    do="rename or remove one of them",
                )
            found[one.id], home[one.id] = one, file.name
    return dict(sorted(found.items()))


def read_source(path: str | Path) -> tuple[Benchmark, ...]:
    """The figures of one source's TOML file.

    Raises
    ------
    CxError
        The file is no TOML, or a table of it breaks the schema (file, table and key are named).
    """
    tables = read_toml(path)
    file = Path(path).name
    source = tables.pop("source", None)
    if not isinstance(source, dict):
        raise CxError(f"{file} tells no source", want="a table [source]")
    _check_table(file, "source", source, _SOURCE)
    return tuple(_figure(file, name, table, source) for name, table in tables.items())


# The schema: every key and its type in words.
_SOURCE: dict[str, str] = dict.fromkeys(("title", "publisher", "published", "mode"), "text")
_SOURCE |= dict.fromkeys(("field_start", "field_end", "accessed"), "date")
_MEANING = ("unit_of" if f.name == "unit" else f.name for f in fields(Meaning))
_TEXTS = ("metric", "unit", "kind", "n_kind", "population", "wording", "wording_status")
_TEXTS += ("seen_at", "grade", "status", "question", *_MEANING)
_REQUIRED: dict[str, str] = _SOURCE | dict.fromkeys(_TEXTS, "text")
_REQUIRED |= dict.fromkeys(("claims", "statements", "caveats"), "texts")
_REQUIRED |= {"n": "count", "geography": "places"}
_OPTIONAL: dict[str, str] = {
    "value": "number",
    "low": "number",
    "high": "number",
    "decimals": "whole number",
    "margin": "number",
    "finding": "text",
}
_WORDS: dict[str, Any] = {
    "kind": KINDS,
    "grade": GRADES,
    "status": STATUSES,
    "wording_status": _WORDINGS,
    "n_kind": ("exact", "approx", "unpublished"),
}


def _figure(file: str, name: str, table: Any, source: Mapping[str, Any]) -> Benchmark:
    if not isinstance(table, dict):
        raise _fault(file, name, "", table, "a table [name]")
    merged = dict(source) | table
    _check_table(file, name, merged, _REQUIRED, _OPTIONAL)
    for key, words in _WORDS.items():
        if merged[key] not in words:
            raise unknown(f"{key} in {file} [{name}]", merged[key], words)
    for claim in merged["claims"]:
        if claim not in CLAIMS:
            raise unknown(f"claim in {file} [{name}]", claim, CLAIMS)
    meaning = Meaning.of(merged | {"unit": merged["unit_of"]})
    plain = {f.name for f in fields(Benchmark)} & set(merged)
    given = {key: tuple(merged[key]) if _many(merged[key]) else merged[key] for key in plain}
    for key in ("value", "low", "high", "margin"):
        given[key] = None if merged.get(key) is None else float(merged[key])
    given["n"] = None if merged["n"] == "unpublished" else merged["n"]
    given["geography"] = () if merged["geography"] == "unpublished" else given["geography"]
    given.setdefault("decimals", 0)
    made = Benchmark(id=name, meaning=meaning, **given)
    _check_figure(file, made)
    return made


def _check_table(
    file: str,
    name: str,
    table: Mapping[str, Any],
    required: Mapping[str, str],
    optional: Mapping[str, str] | None = None,
) -> None:
    allowed = dict(required) | dict(optional or {})
    for key, content in table.items():
        if key not in allowed:
            raise unknown(f"key in {file} [{name}]", key, allowed)
        words, fits = _TYPES[allowed[key]]
        if not fits(content):
            raise _fault(file, name, key, repr(content), words)
    for key in required:
        if key not in table:
            raise _fault(file, name, key, "nothing", _TYPES[required[key]][0])


def _check_figure(file: str, one: Benchmark) -> None:
    if one.value is None and not one.refusal.replace("no value is published", ""):
        raise _fault(file, one.id, "value", "nothing", f"a number, for the kind {one.kind!r}")
    if (one.n is None) != (one.n_kind == "unpublished"):
        raise _fault(file, one.id, "n_kind", one.n_kind, "unpublished where n is, and only there")
    for key in ("value", "low", "high"):
        part = getattr(one, key)
        if one.unit == "share" and part is not None and not 0 <= part <= 1:
            raise _fault(file, one.id, key, part, "a share from 0 to 1", "32 % is written 0.32")
    if one.margin is not None and one.margin <= 0:
        raise _fault(file, one.id, "margin", one.margin, "a number above 0")
    if one.field_end and one.field_end[:4] < one.field_start[:4]:
        raise _fault(file, one.id, "field_end", one.field_end, f"after {one.field_start}")


def _fault(
    file: str, name: str, key: str, got: object, want: str, do: str = "mend the file"
) -> CxError:
    place = f"{file} [{name}]" + (f" {key}" if key else "")
    return CxError(f"the benchmark table is not as it must be: {place}", got=got, want=want, do=do)


def _many(content: Any) -> bool:
    return isinstance(content, list)


def _texts(content: Any) -> bool:
    return _many(content) and all(isinstance(part, str) for part in content)


def _real(content: Any) -> bool:
    number = isinstance(content, int | float) and not isinstance(content, bool)
    return number and math.isfinite(content)


def _whole(content: Any) -> bool:
    return isinstance(content, int) and not isinstance(content, bool)


_TYPES: dict[str, tuple[str, Any]] = {
    "text": ("text in quotes", lambda content: isinstance(content, str)),
    "texts": ("a list of texts", _texts),
    "number": ("a number", _real),
    "whole number": ("a whole number", _whole),
    "count": (
        'a number of people above 0, or "unpublished"',
        lambda content: content == "unpublished" or (_whole(content) and content > 0),
    ),
    "places": (
        'a list of country codes or places, or "unpublished"',
        lambda content: content == "unpublished" or (_texts(content) and len(content) > 0),
    ),
    "date": (
        'a date in quotes such as "2018", "2018-03" or "2018-03-26", or ""',
        lambda content: isinstance(content, str) and _DATE.fullmatch(content) is not None,
    ),
}


def _check_number(name: str, number: Any, low: float, high: float) -> None:
    if not _real(number) or not low < number < high:
        bounds = f"a number above {low:g}" + ("" if math.isinf(high) else f" and below {high:g}")
        raise CxError(f"{name} is out of range", got=repr(number), want=bounds)
