"""What is to be made: notebooks × segments, all checked before the first kernel starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import parameters, paths
from ..errors import CxError, unknown
from . import manifest

#: The parameters that the runner sets itself; none of them can be set by hand.
OWN = ("study", "where", "records")
#: The folder of the reports on all respondents.
ALL = "all"


@dataclass(frozen=True)
class Source:
    """A notebook to run: its file, the parameters it declares, its title, digest and size."""

    path: Path
    declared: dict[str, object]
    title: str
    sha256: str
    cells: int

    @property
    def name(self) -> str:
        """``"25-loyalty-loss"``."""
        return self.path.stem


@dataclass(frozen=True)
class Segment:
    """A part of the respondents: the condition, how people call it, and its folder."""

    where: str = ""
    label: str = "all respondents"
    folder: str = ALL


@dataclass(frozen=True)
class Job:
    """One report to make: a notebook on a segment of a study."""

    study: str
    source: Source
    segment: Segment
    settings: dict[str, Any]
    about: dict[str, Any]
    key: str

    @property
    def wants_records(self) -> bool:
        """Whether it reads what the others of its segment found, and so runs after them."""
        return "records" in self.source.declared

    @property
    def label(self) -> str:
        """``"sample · all · 25-loyalty-loss"``."""
        return f"{self.about['study']} · {self.segment.folder} · {self.source.name}"


@dataclass(frozen=True)
class Plan:
    """All reports of one study, and what its index and manifest need to know."""

    name: str
    folder: Path
    about: dict[str, Any]
    inputs: dict[str, str]
    segments: tuple[Segment, ...]
    jobs: tuple[Job, ...] = field(repr=False)


def plan(
    study: str,
    *,
    notebooks: Sequence[str] = (),
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    settings: Sequence[str] = (),
    out: Path,
    folder: Path | None = None,
    opener: Callable[..., Any],
) -> Plan:
    """Check everything and say what will be made.

    Parameters
    ----------
    study : str
        A study file, or the bare name of a carried study.
    notebooks : sequence of str
        Names (``"25-loyalty-loss"``, ``"25"``) or files; empty: all that the study wants.
    by : sequence of str
        Columns; a report for all respondents and one for each of their values.
    where : sequence of str
        Conditions ``"col=value"`` that all must hold.
    settings : sequence of str
        ``"name=value"``, for the notebooks that declare the name.
    out : Path
        The folder that gets a folder for the study.
    folder : Path, optional
        Take the notebooks from here, whatever the study wants.
    opener : callable
        ``open_study``.

    Raises
    ------
    CxError
        Anything at all that is wrong with these.
    """
    condition = join(where)
    opened = opener(study, where=condition)
    sources = _sources(opened, notebooks, folder)
    values = _settings(sources, settings)
    segments = _segments(opened, condition, by)
    about = _about(opened)
    inputs = dict(opened.inputs())
    carried = opened.path.resolve().parent == paths.data("studies").resolve()
    given = opened.name if carried else str(opened.path.resolve())
    jobs = tuple(
        _job(given, source, segment, values, about, inputs)
        for segment in segments
        for source in sources
    )
    return Plan(opened.name, out / opened.name, about, inputs, segments, jobs)


def join(conditions: Iterable[str]) -> str:
    """Conditions that all must hold, as the one text that ``open_study`` takes."""
    return "; ".join(text.strip() for text in conditions if text.strip())


def source(path: Path) -> Source:
    """A notebook's parameters, title and digest.

    Raises
    ------
    CxError
        It is no notebook, or declares no ``study`` and ``where``.
    """
    declared = parameters.declared(path)
    for name in ("study", "where"):
        if not isinstance(declared.get(name), str):
            raise CxError(
                f"the notebook does not declare {name}",
                got=f"{path.name} declares {', '.join(declared) or 'nothing'}",
                want=f'{name} = "…" in the cell tagged parameters',
            )
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = content["cells"]
    title = title_of(cells, path.stem)
    return Source(path, declared, title, manifest.sha256(path), len(cells))


def title_of(cells: Iterable[dict[str, Any]], name: str) -> str:
    """The first heading of level one, or the notebook's name in words."""
    for cell in cells:
        if cell.get("cell_type") == "markdown":
            text = "".join(cell.get("source", ""))
            found = re.search(r"^#\s+(.+?)\s*#*$", text, re.MULTILINE)
            if found:
                return re.sub(r"[*_`]", "", found[1])
    words = re.sub(r"^\d+-", "", name).replace("-", " ")
    return words[:1].upper() + words[1:]


def _sources(opened: Any, wanted: Sequence[str], folder: Path | None) -> tuple[Source, ...]:
    home = paths.notebooks() if folder is None else folder
    known = {path.stem: path for path in sorted(home.glob("*.ipynb"))}
    if wanted:
        chosen = [_named(name, known) for name in wanted]
    elif not known:
        raise CxError("there are no notebooks", got=home, want="a folder with .ipynb files")
    elif folder is not None:
        chosen = list(known.values())
    else:
        chosen = [_named(name, known) for name in opened.notebooks()]
    unique = {path.stem: path for path in chosen}
    return tuple(source(unique[name]) for name in sorted(unique))


def _named(name: str, known: dict[str, Path]) -> Path:
    if name.endswith(".ipynb"):
        path = Path(name)
        return path if path.exists() else known.get(path.stem, path)
    matches = [stem for stem in known if stem == name] or [
        stem for stem in known if stem.startswith(f"{name}-")
    ]
    if len(matches) == 1:
        return known[matches[0]]
    raise unknown("notebook", name, known)


def _settings(sources: Sequence[Source], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The values for each notebook: a name must be declared by one at least."""
    values: dict[str, dict[str, Any]] = {source.name: {} for source in sources}
    everything = {name: value for source in sources for name, value in source.declared.items()}
    for text in settings:
        name = text.partition("=")[0].strip()
        if name in OWN:
            option = {"study": "the STUDY argument", "where": "--where"}.get(name, "nothing")
            raise CxError(
                f"{name} is set by the runner", got=repr(text), want=f"{option} says this"
            )
        parameters.parse(everything, text)
        for source in sources:
            if name in source.declared:
                _, value = parameters.parse(source.declared, text)
                values[source.name] |= parameters.check(
                    source.declared, {name: value}, where=source.name
                )
    return values


def _segments(opened: Any, condition: str, by: Sequence[str]) -> tuple[Segment, ...]:
    wheres = [condition]
    for column in by:
        wheres += [join((condition, where)) for where in opened.segments(column)]
    taken: set[str] = set()
    segments = []
    for where in dict.fromkeys(wheres):
        folder = base = slug(where) or ALL
        number = 1
        while folder in taken:
            number += 1
            folder = f"{base}-{number}"
        taken.add(folder)
        segments.append(Segment(where, opened.segment_label(where), folder))
    return tuple(segments)


def slug(text: str) -> str:
    """A safe name for a folder: lower-case letters, digits and hyphens, at most 60 of them."""
    plain = text.lower().replace("≥", "-ge-").replace("≤", "-le-")
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    if not name and text:
        return f"segment-{manifest.digest(text)[:8]}"
    return f"{name}-segment" if name == ALL else name


def _about(opened: Any) -> dict[str, Any]:
    origin = getattr(opened.survey, "origin", None)
    return {
        "study": opened.name,
        "title": opened.title,
        "synthetic": bool(opened.synthetic),
        "provenance": opened.provenance,
        "language": opened.language or "en",
        "wave": getattr(origin, "wave", "") or "",
    }


def _job(
    given: str,
    source: Source,
    segment: Segment,
    values: dict[str, dict[str, Any]],
    about: dict[str, Any],
    inputs: dict[str, str],
) -> Job:
    settings = values[source.name]
    made_of = {
        "about": about,
        "inputs": inputs,
        "notebook": source.sha256,
        "name": source.name,
        "segment": [segment.where, segment.label, segment.folder],
        "settings": settings,
        "house": manifest.house(),
    }
    key = manifest.digest(json.dumps(made_of, sort_keys=True, default=str))
    return Job(given, source, segment, settings, about | {"inputs": state(inputs)}, key)


def state(inputs: dict[str, str]) -> str:
    """A digest of the study's files and of the house: pages of another state are out of date."""
    return manifest.digest(json.dumps([inputs, manifest.house()], sort_keys=True))[:16]
