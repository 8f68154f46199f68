"""What the questions are: wording, scale, labels, missing codes, and what an answer to them means.

The canonical questionnaire (``data/questionnaire.toml``) is one codebook; a study lays its own over
it. :class:`Meaning` says what a figure is about in the terms by which two figures can be compared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from . import paths
from .errors import CxError, unknown

#: Codes that mean "no answer" in the canonical questionnaire, and why there is none.
MISSING_CODES: dict[float, str] = {
    -99.0: "seen_unanswered",
    -98.0: "dk",
    -97.0: "refused",
    -96.0: "na",
}
REASONS = ("not_shown", "seen_unanswered", "dk", "refused", "na")
TYPES = (
    "id",
    "paradata",
    "experiment",
    "single",
    "multi",
    "yes/no",
    "rating",
    "agree",
    "number",
    "money",
    "sum",
    "date",
    "text",
)


@dataclass(frozen=True)
class Meaning:
    """What a figure is about: words of the registry's vocabulary, ``""`` where unknown."""

    construct: str = ""
    unit: str = ""
    object: str = ""
    polarity: str = ""
    tense: str = ""
    window: str = ""
    quantifier: str = ""
    base: str = ""
    coding: str = ""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Meaning:
        """The meaning fields of a TOML table; other keys are left alone."""
        names = {f.name for f in fields(cls)}
        return cls(**{key: str(value) for key, value in table.items() if key in names})


@dataclass(frozen=True)
class Measure:
    """One way to count a question's answers, and what that count means.

    ``equals`` names the codes that count (a share), ``at_least`` the threshold that does (a share);
    with neither it is the mean or another summary of the numbers (``kind``).
    """

    meaning: Meaning
    equals: tuple[Any, ...] = ()
    at_least: float | None = None
    kind: str = "share"


@dataclass(frozen=True)
class Question:
    """One question: a column of the survey and what is known of it.

    Attributes
    ----------
    name : str
        The column, or the canonical name when a study maps columns.
    wording, type, unit : str
        The text that people saw; one of :data:`TYPES`; the unit of a number ("%", "EUR", "months").
    labels : mapping of code to text
    low, high : float or None
        The range of valid answers; anything outside is out of range.
    missing : mapping of code to reason
        Reasons are :data:`REASONS`.
    measures : tuple of Measure
    claims, benchmarks : tuple of str
    base : str
        Of whom it was asked, in words, e.g. ``"all respondents"``.
    """

    name: str
    wording: str = ""
    type: str = "number"
    labels: Mapping[float, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    unit: str = ""
    missing: Mapping[float, str] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    claims: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    base: str = ""
    block: str = ""

    def meaning(
        self, *, equals: Iterable[Any] = (), at_least: float | None = None, kind: str = "share"
    ) -> Meaning:
        """What a share of these answers, or another summary, means; all unknown where not told."""
        wanted = frozenset(str(_plain(code)) for code in equals)
        for measure in self.measures:
            codes = frozenset(str(_plain(code)) for code in measure.equals)
            same = codes == wanted and measure.at_least == at_least
            if same and (measure.kind == kind or (wanted and measure.kind == "share")):
                return measure.meaning
        return Meaning()


class Codebook:
    """Questions by name. Immutable: every step returns a new codebook."""

    def __init__(self, questions: Iterable[Question] = ()) -> None:
        self._questions = {question.name: question for question in questions}

    def __contains__(self, name: object) -> bool:
        return name in self._questions

    def __iter__(self):
        return iter(self._questions.values())

    def __len__(self) -> int:
        return len(self._questions)

    def __getitem__(self, name: str) -> Question:
        """The question, or a :class:`CxError` with the nearest names."""
        try:
            return self._questions[name]
        except KeyError:
            raise unknown("question", name, self._questions) from None

    def get(self, name: str) -> Question:
        """The question, or an empty one under that name where nothing is known of it."""
        return self._questions.get(name, Question(name))

    def with_questions(self, questions: Iterable[Question]) -> Codebook:
        """A new codebook in which these questions stand in place of any of the same name."""
        return Codebook((self._questions | {q.name: q for q in questions}).values())

    @classmethod
    def from_toml(cls, path: str | Path) -> Codebook:
        """Read a codebook: one table a question (see ``data/questionnaire.toml``)."""
        tables = read_toml(path)
        defaults = {"missing": tables.pop("missing", None)}
        return cls(question_from(name, table, **defaults) for name, table in tables.items())


def question_from(
    name: str, table: Mapping[str, Any], *, over: Question | None = None, missing: Any = None
) -> Question:
    """A question from its TOML table, laid over one already known.

    Raises
    ------
    CxError
        A key or a type that does not exist, a missing reason that is not one of :data:`REASONS`.
    """
    allowed = {f.name for f in fields(Question)} - {"name", "measures"} | {"scale", "measure"}
    for key, value in table.items():
        if key not in allowed:
            raise unknown(f"key in the question {name!r}", key, allowed)
        words, fits = _FITS.get(key, _FITS["wording"])
        if not fits(value):
            raise CxError(
                f"the question {name!r}: {key} is not what it must be",
                got=f"{type(value).__name__}: {str(value)[:60]}",
                want=words,
                do="mend the file",
            )
    given: dict[str, Any] = {
        key: value for key, value in table.items() if key not in {"scale", "measure", "missing"}
    }
    if "scale" in table:
        given["low"], given["high"] = (float(end) for end in table["scale"])
    if "labels" in table:
        given["labels"] = {_number(code): str(text) for code, text in table["labels"].items()}
    for key in ("claims", "benchmarks"):
        if key in table:
            given[key] = tuple(table[key])
    codes = table.get("missing", missing)
    if codes is not None:
        given["missing"] = {_number(code): str(reason) for code, reason in codes.items()}
    if "measure" in table:
        given["measures"] = tuple(_measure(measure) for measure in table["measure"])
    question = replace(over, **given) if over is not None else Question(name, **given)
    _check(question)
    return question


def _number_like(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _all(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(part, kind) for part in value)


def _ends(value: Any) -> bool:
    return (
        _all((int, float))(value)
        and len(value) == 2
        and all(map(_number_like, value))
        and value[0] < value[1]
    )


#: What the keys of a question hold; those not named here hold text.
_FITS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "wording": ("text", lambda value: isinstance(value, str)),
    "scale": ("[lowest, highest], two numbers", _ends),
    "low": ("a number", _number_like),
    "high": ("a number", _number_like),
    "labels": ("a table of codes and their texts", lambda value: isinstance(value, dict)),
    "missing": ("a table of codes and reasons", lambda value: isinstance(value, dict)),
    "claims": ("a list of texts", _all(str)),
    "benchmarks": ("a list of texts", _all(str)),
    "measure": ("tables [[… .measure]]", _all(dict)),
}


def _check(question: Question) -> None:
    if question.type not in TYPES:
        raise unknown(f"type of the question {question.name!r}", question.type, TYPES)
    for reason in question.missing.values():
        if reason not in REASONS:
            raise unknown(f"missing reason in the question {question.name!r}", reason, REASONS)


def _measure(table: Mapping[str, Any]) -> Measure:
    allowed = {"equals", "at_least", "kind", *(f.name for f in fields(Meaning))}
    for key in table:
        if key not in allowed:
            raise unknown("key in a measure of a question", key, allowed)
    if not isinstance(table.get("equals", []), list):
        raise CxError(
            "the codes of a measure are a list", got=table["equals"], want="e.g. equals = [1, 2]"
        )
    at_least = table.get("at_least")
    return Measure(
        Meaning.of(table),
        tuple(table.get("equals", ())),
        None if at_least is None else float(at_least),
        str(table.get("kind", "share")),
    )


def _number(code: Any) -> Any:
    """TOML keys are text; codes that look like numbers are numbers."""
    try:
        return float(code)
    except (TypeError, ValueError):
        return code


def _plain(code: Any) -> Any:
    number = _number(code)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def read_toml(path: str | Path) -> dict[str, Any]:
    """A TOML file as a dict.

    Raises
    ------
    CxError
        The file is missing, is not UTF-8, or is not TOML (with the place of the fault).
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CxError("no such file", got=path, want="a TOML file", do="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CxError(
            "the file is not readable as TOML",
            got=f"{path}: {error}",
            want="TOML in UTF-8",
            do="mend the line that is named",
        ) from error
    except OSError as error:
        raise CxError(
            "the file cannot be read", got=f"{path}: {error.strerror}", want="a readable TOML file"
        ) from error


@cache
def questionnaire() -> Codebook:
    """The canonical questionnaire, from ``data/questionnaire.toml``."""
    return Codebook.from_toml(paths.data("questionnaire.toml"))
