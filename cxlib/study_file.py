"""The study file: its keys, their types, and the survey that it describes.

Everything that a study file says is checked here, before anything is estimated. A file can run
nothing, and reads nothing outside its folder unless an absolute path is written in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from . import paths
from .benchmark import benchmark
from .claims import claim
from .codebook import Codebook, question_from, questionnaire
from .derive import derive
from .errors import CxError, unknown
from .quality import off_the_scale
from .read import read_survey
from .result import Origin
from .survey import Survey

VERSION = 1
#: The tables and keys of a study file, each with the type it must have.
KEYS: Mapping[str, type | tuple[type, ...]] = {
    "version": int,
    "title": str,
    "data": str,
    "synthetic": bool,
    "provenance": str,
    "licence": str,
    "shows": str,
    "language": str,
    "context": dict,
    "design": dict,
    "columns": dict,
    "derive": dict,
    "recode": dict,
    "questions": dict,
    "codebook": str,
    "margins": dict,
    "claims": dict,
    "accept": list,
    "privacy": dict,
    "quality": dict,
    "notebooks": list,
}
# The keys of the smaller tables, and what each value must be, in the words of _FITS.
CONTEXT = dict.fromkeys(
    ("population", "country", "year", "mode", "sample", "wave"), "text or a number"
)
DESIGN = dict.fromkeys(("weights", "lonely"), "text")
DESIGN |= dict.fromkeys(("strata", "clusters", "fpc"), "text, or a list of texts")
QUALITY = {"id": "text", "duration": "text", "but": "a list of texts"}
QUALITY |= {"batteries": "a list of texts, or of such lists"}
CLAIM = dict.fromkeys(("benchmark", "indirect", "why"), "text")
CLAIM |= {"threshold": "a number", "within": "a list of texts"}
#: Tables whose keys are the file's own, and what each value must be.
OWN = {"columns": "text", "derive": "text", "recode": "a table"}
OWN |= dict.fromkeys(("questions", "claims"), "a table")
SMALL_CELL = 10


def study_path(study: str | Path) -> Path:
    """The file behind a path or the bare name of a carried study."""
    text = str(study)
    carried = paths.data("studies")
    for path in (Path(text), paths.root() / text, carried / f"{text}.toml"):
        if path.is_file():
            return path
    known = sorted(file.stem for file in carried.glob("*.toml"))
    raise CxError(
        "no such study",
        got=text,
        want=f"a study file (.toml), or one of {', '.join(known)}",
        do="check the path",
    )


def data_path(study: Path, data: str) -> str | Path:
    """The data file that a study names: packaged, absolute, or inside the study's own folder tree.

    Raises
    ------
    CxError
        A relative path leads out of the workbook or the study's folder.
    """
    if data.startswith("package:"):
        return data
    if Path(data).is_absolute():
        return Path(data)
    found = (study.parent / data).resolve()
    homes = (study.parent.resolve(), paths.data().resolve())
    if not any(found.is_relative_to(home) for home in homes):
        raise CxError(
            "the study file reads outside its folder",
            got=data,
            want="a path below the study file's folder, or an absolute one",
            do="move the data beside the study file, or write the absolute path",
        )
    return found


def check(table: Mapping[str, Any], path: Path) -> None:
    """The study file's keys and types."""
    for key, value in table.items():
        if key not in KEYS:
            raise unknown(f"key in {path.name}", key, KEYS)
        if not isinstance(value, KEYS[key]) or (KEYS[key] is int and isinstance(value, bool)):
            raise CxError(
                f"{path.name}: {key} has the wrong type",
                got=f"{type(value).__name__}: {str(value)[:60]!r}",
                want=f"{getattr(KEYS[key], '__name__', KEYS[key])}",
            )
    if "data" not in table:
        raise CxError(f"{path.name} names no data", got="no key data", want='data = "survey.csv"')
    if table.get("version", VERSION) != VERSION:
        raise CxError(
            f"{path.name} is of another version",
            got=table["version"],
            want=f"version = {VERSION}",
            do="update cxlib, or the study file",
        )
    for name, kinds in (("context", CONTEXT), ("design", DESIGN), ("quality", QUALITY)):
        _check_inside(table.get(name, {}), f"[{name}] of {path.name}", kinds)
    for name, kind in OWN.items():
        part = table.get(name, {})
        _check_inside(part, f"[{name}] of {path.name}", dict.fromkeys(part, kind))
    for name in ("accept", "segments", "notebooks"):
        _check_inside({name: table.get(name, [])}, path.name, {name: "a list of texts"})
    _check_registry(table, path)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "text or a number": lambda value: not isinstance(value, (dict, list)),
    "text, or a list of texts": lambda value: isinstance(value, str) or _texts(value),
    "a number": lambda value: type(value) in (int, float) and math.isfinite(value),
    "a list of texts, or of such lists": lambda value: (
        _texts(value) or isinstance(value, list) and all(map(_texts, value))
    ),
    "a list of texts": _texts,
    "a table": lambda value: isinstance(value, dict),
}


def _check_inside(part: Mapping[str, Any], where: str, kinds: Mapping[str, str]) -> None:
    """The keys of a table within the study file, and what stands under them."""
    for key, value in part.items():
        if key not in kinds:
            raise unknown(f"key in {where}", key, kinds)
        if not _FITS[kinds[key]](value):
            raise CxError(
                f"{where}: {key} is not what it must be",
                got=f"{type(value).__name__}: {str(value)[:60]}",
                want=kinds[key],
                do="mend the study file",
            )


def _check_registry(table: Mapping[str, Any], path: Path) -> None:
    for key, margin in table.get("margins", {}).items():
        benchmark(key)
        share = benchmark(key).unit.startswith("share")
        if not _FITS["a number"](margin) or margin <= 0 or (share and margin >= 0.5):
            raise CxError(
                f"the margin of {key} in {path.name} is not what it must be",
                got=margin,
                want="a number above 0 in the figure's unit; of shares under 0.5 (0.05: 5 points)",
                do="write 0.05 for five points",
            )
    for key in table.get("accept", ()):
        benchmark(key)
    for name, told in _claims(table):
        if claim(name).id != name:
            raise unknown(f"claim in {path.name}", name, [claim(name).id])
        _check_inside(told, f"[claims.{name}] of {path.name}", CLAIM)
        if "benchmark" in told:
            benchmark(told["benchmark"])


def survey_of(table: Mapping[str, Any], path: Path, notebook: str) -> Survey:
    _check_names(table, path)
    raw = read_survey(data_path(path, table["data"]))
    frame = raw.frame
    for name, column in table.get("columns", {}).items():
        if column not in frame:
            raise unknown(f"column in [columns] {name} of {path.name}", column, frame.columns)
    renames = {column: name for name, column in table.get("columns", {}).items()}
    frame = frame.drop(columns=[n for n in renames.values() if n in frame and n not in renames])
    frame = frame.rename(columns=renames)
    for name, codes in table.get("recode", {}).items():
        frame = frame.assign(**{name: _recoded(frame, name, codes)})
    for name, expression in table.get("derive", {}).items():
        frame = frame.assign(**{name: derive(frame, name, expression)})
    _check_questions(table, path, frame)
    design = table.get("design", {})
    survey = read_survey(
        frame,
        codebook=_codebook(table, path, frame),
        weights=design.get("weights"),
        strata=design.get("strata"),
        clusters=design.get("clusters"),
        fpc=design.get("fpc"),
        lonely=design.get("lonely", "error"),
    )
    _check_ids(survey, table.get("quality", {}).get("id"))
    _check_answers(survey, table)
    context = {key: str(value) for key, value in table.get("context", {}).items()}
    _check_country(context.get("country", ""))
    if context.get("year") and not re.match(r"\d{4}", context["year"]):
        raise CxError("the year of fieldwork is no year", got=context["year"], want='year = "2026"')
    origin = Origin(
        study=path.stem,
        notebook=notebook,
        synthetic=bool(table.get("synthetic", False)),
        small_cell=_small_cell(table, path),
        **context,
    )
    return replace(survey, frame=survey.frame.copy(), origin=origin, source=raw.source)


def _check_answers(survey: Survey, table: Mapping[str, Any]) -> None:
    """In what the study file maps, answers that the codebook does not know are an error."""
    mapped = {name for key in ("columns", "recode", "questions") for name in table.get(key, {})}
    for question in sorted(mapped & set(survey.frame.columns)):
        error = off_the_scale(survey, question)
        if error is not None:
            raise error


def _check_names(table: Mapping[str, Any], path: Path) -> None:
    """A canonical name that is misspelt would be a question that nobody asks."""
    known = {question.name for question in questionnaire()}
    used = {*table.get("questions", {}), *_named_elsewhere(table)}
    for name in table.get("columns", {}):
        if name not in known and name not in used:
            raise unknown(
                f"canonical name in [columns] of {path.name}",
                name,
                known,
                do=f"or describe a question of your own under [questions.{name}]",
            )


def _named_elsewhere(table: Mapping[str, Any]) -> set[str]:
    """Every word that the other tables use: design columns, expressions, claims, batteries."""
    rest = {key: part for key, part in table.items() if key not in ("columns", "title", "shows")}
    return set(re.findall(r"[A-Za-z_]\w*", repr(rest)))


def _check_questions(table: Mapping[str, Any], path: Path, frame: Any) -> None:
    """The questions that the study file itself names must be columns, or they would be ignored."""
    quality = table.get("quality", {})
    named = [("[quality] of", quality.get("duration", []))]
    named += [("[quality] of", part) for part in quality.get("batteries", [])]
    named += [(f"[claims.{c}] of", told.get("within", [])) for c, told in _claims(table)]
    for where, names in named:
        for name in [names] if isinstance(names, str) else names:
            if name not in frame:
                raise unknown(f"question in {where} {path.name}", name, frame.columns)


def _claims(table: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return table.get("claims", {}).items()


def _recoded(frame: Any, name: str, codes: Mapping[str, Any]) -> Any:
    """A column with some of its answers replaced: the file's answer (as text) → the new code."""
    if name not in frame:
        raise unknown("column in [recode]", name, frame.columns)
    column = frame[name]
    table = {str(old): new for old, new in codes.items()}

    def text(value: Any) -> str:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    new = column.map(lambda value: table.get(text(value), value), na_action="ignore")
    seen = {text(value) for value in column.dropna().unique()}
    gone = sorted(set(table) - seen)
    if gone and not set(table) & seen:
        raise CxError(
            f"[recode.{name}] matches no answer",
            got=", ".join(gone[:5]),
            want=f"answers that occur, e.g. {', '.join(sorted(seen)[:5])}",
        )
    numbers = pd.to_numeric(new, errors="coerce")
    return numbers if (numbers.notna() | new.isna()).all() else new.infer_objects()


def _codebook(table: Mapping[str, Any], path: Path, frame: Any) -> Codebook:
    """The canonical questionnaire for canonical names, the study's own questions over it."""
    book = Codebook(question for question in questionnaire() if question.name in frame)
    if "codebook" in table:
        book = book.with_questions(Codebook.from_toml(data_path(path, table["codebook"])))
    own = []
    for name, told in table.get("questions", {}).items():
        if name not in frame:
            raise unknown(f"question in {path.name}", name, frame.columns)
        own.append(question_from(name, told, over=book.get(name)))
    return book.with_questions(own)


def _check_country(country: str) -> None:
    """Countries are compared by their ISO codes."""
    if country and not re.fullmatch(r"[A-Z]{2}", country) or country in ("UK", "EU", "EN"):
        raise CxError(
            "the country is not an ISO code of two letters",
            got=repr(country),
            want="such as IE, GB or US",
            do='write country = "GB" for the United Kingdom' if country == "UK" else "look it up",
        )


def _check_ids(survey: Survey, name: str | None) -> None:
    if not name:
        return
    if name not in survey:
        hint = "a column that [columns] maps is known by its new name"
        raise unknown("respondent id", name, survey.frame.columns, do=hint)
    doubled = survey.frame[name][survey.frame[name].duplicated(keep=False)]
    if len(doubled):
        shown = ", ".join(map(str, list(dict.fromkeys(doubled))[:3]))
        raise CxError(
            "respondents occur more than once",
            got=f"{len(doubled):,} rows share an id in {name!r}, e.g. {shown}",
            want="one row a respondent",
            do="remove the duplicates, or leave id out of [quality] if rows are not respondents",
        )


def _small_cell(table: Mapping[str, Any], path: Path) -> int:
    given = table.get("privacy", {})
    for key in given:
        if key != "small_cell":
            raise unknown(f"key in [privacy] of {path.name}", key, ("small_cell",))
    size = given.get("small_cell", SMALL_CELL)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise CxError(
            "the small-cell threshold is a whole number of 1 or more",
            got=size,
            want=f"small_cell = {SMALL_CELL}",
        )
    return size
