"""A study: one TOML file that names the data, the mapping, the design and what counts as the same.

:func:`open_study` is the one validating call of every notebook's setup cell. The :class:`Study` it
gives asks the survey, holds answers against published figures with the study's own margins, and
turns what was not asked into a verdict that says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from . import parameters as params
from . import paths
from .claims import Claim
from .codebook import questionnaire, read_toml
from .compare import compare
from .errors import CxError, unknown
from .hypothesis import hypothesis, not_asked
from .page import Answer, Facts, facts
from .read import file_of
from .result import Ranking
from .scorecard import Scorecard, scorecard
from .study_file import check, data_path, study_path, survey_of
from .survey import Survey
from .survey_codes import conditions, digest
from .verdict import Comparison, Comparisons

#: More parts than this are no segments but respondents.
MOST_SEGMENTS = 100


@dataclass(frozen=True, eq=False)
class Study:
    """A study with its survey. Make one with :func:`open_study`."""

    path: Path
    table: Mapping[str, Any]
    survey: Survey
    whole: Survey
    notebook: str = ""
    level: float = 0.95

    @property
    def name(self) -> str:
        """The file's stem: the folder of the reports."""
        return self.path.stem

    @property
    def title(self) -> str:
        """What pages call the study."""
        return str(self.table.get("title", self.name))

    @property
    def synthetic(self) -> bool:
        """Whether the data are simulated."""
        return bool(self.table.get("synthetic", False))

    @property
    def provenance(self) -> str:
        """Where the data come from, in words."""
        return str(self.table.get("provenance", ""))

    @property
    def language(self) -> str:
        """The pages' language tag."""
        return str(self.table.get("language", "en"))

    @property
    def quality(self) -> Mapping[str, Any]:
        """What the data-quality notebook looks at: id, duration, batteries."""
        return self.table.get("quality", {})

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.survey!r})"

    def notebooks(self) -> tuple[str, ...]:
        """The notebooks that the study wants, all by default."""
        known = tuple(sorted(file.stem for file in paths.notebooks().glob("*.ipynb")))
        wanted = tuple(self.table.get("notebooks", known))
        for name in wanted:
            if name not in known:
                raise unknown("notebook", name, known)
        return wanted

    # -- asking --------------------------------------------------------------------------------

    def ask(
        self,
        function: Callable[..., Any],
        *questions: str | list[str] | Mapping[Any, str],
        **options: Any,
    ) -> Any:
        """``function(survey, *questions, **options)``, or a verdict "not asked".

        A question may be a list of questions. Those that ``by=``, ``group=`` and ``exposure=`` name
        count as asked for too. ``level`` is the study's unless given.
        """
        named = [name for one in questions for name in _names(one)]
        for key in ("by", "group", "exposure"):
            if isinstance(options.get(key), str):
                named.append(self._known(options[key]))
        missing = self.survey.unanswered(named)
        if missing:
            return not_asked(
                options.get("name") or " and ".join(missing),
                missing,
                claim=options.get("claim", ""),
                origin=self.survey.origin,
            )
        if "level" in signature(function).parameters:
            options.setdefault("level", self.level)
        return function(self.survey, *questions, **options)

    def _known(self, question: str) -> str:
        """A question that a parameter names: of the survey, or of the canonical questionnaire."""
        if question not in self.survey and question not in questionnaire():
            raise unknown("question", question, self.survey.frame.columns)
        return question

    def ladder(self, prefix: str) -> dict[float, str]:
        """Price → question for all questions called ``prefix`` and a price, e.g. ``gg_25``."""
        ends = [(name.removeprefix(prefix), name) for name in map(str, self.survey.frame.columns)]
        found = {float(end): name for end, name in ends if end != name and end.isdecimal()}
        return dict(sorted(found.items())) or {1.0: f"{prefix}PRICE"}

    def then(self, result: Any, function: Callable[..., Any], **options: Any) -> Any:
        """``function(result, **options)``; what was not asked is passed on as it is."""
        if isinstance(result, Comparison) and result.ours is None:
            return result
        return function(result, **options)

    def check(self, function: Callable[..., Any], key: str, **options: Any) -> Any:
        """A data-quality measure on what ``[quality]`` names under ``key``, or "not asked"."""
        named = self.quality.get(key)
        if not named:
            gone = (f"{key} under [quality] in the study file",)
            return not_asked(f"Data quality: {key}", gone, claim="", origin=self.survey.origin)
        return self.ask(function, *([named] if isinstance(named, str) else named), **options)

    def ids(self) -> tuple[str, ...]:
        """The column that tells respondents apart, if the study file names one."""
        return tuple(filter(None, [self.quality.get("id")]))

    def tour(self, score: Any) -> str:
        """The study in a sentence or two, for the start page."""
        head = f"{self.title}: {len(self.survey):,} respondents{self._of_all()}."
        if isinstance(score, Comparison):
            return f"{head} Whether they would recommend was not asked."
        return f"{head} {score.name}: {score.value_text} ({score.interval_text})."

    def prices_in_words(self, points: Any) -> str:
        """The acceptable range of prices, in one sentence."""
        if isinstance(points, Comparison):
            return points.sentence
        cheap, dear, middle = points[0], points[1], points[2]
        return (
            f"Prices from {cheap.value_text} to {dear.value_text} are acceptable to most; as many "
            f"find {middle.value_text} cheap as find it expensive."
        )

    def weights_in_words(self, measures: Ranking) -> str:
        """What the weights cost, in one sentence."""
        if not self.survey.design.weights:
            return (
                f"{len(self.survey):,} respondents without weights: each counts the same, and "
                "nothing repairs a sample that is out of proportion."
            )
        return (
            f"{len(self.survey):,} weighted respondents are worth {measures[0].value:,.0f} evenly "
            f"weighted ones; the weights run from {measures[2].value:.2f} to "
            f"{measures[3].value:.2f} times their mean."
        )

    def scorecard(self, records: str = "") -> Scorecard:
        """All claims on one page, from the records of the study's other reports.

        ``records`` is the path of their ``records.json``; by default that of the last
        ``cx report`` in the current folder. Where there is none, every claim says so.
        """
        path = Path(records) if records else Path("reports") / self.name / "records.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        made = self.notebooks()

        def missing(claim: Claim) -> str:
            if claim.notebook not in made:
                return "not tested: the workbook has no notebook for it yet"
            return "its report has not been made yet"

        return scorecard(found, origin=self.survey.origin, level=self.level, missing=missing)

    def compare(self, ours: Any, figure: str = "", *, primary: bool = False) -> Comparison:
        """Hold an answer against a published figure, with the study's margin for it.

        ``figure`` is the benchmark's id; with ``primary`` the study file may name another one under
        ``[claims.C03] benchmark``.
        """
        if isinstance(ours, Comparison):
            return self._indirect(replace(ours, primary=primary))
        own = self._claim(ours.claim)
        chosen = str(own.get("benchmark", figure)) if primary else figure
        told = compare(
            ours,
            chosen,
            margin=self.table.get("margins", {}).get(chosen),
            accept=self.table.get("accept", ()),
            primary=primary,
        )
        return self._indirect(told)

    def compare_all(self, ours: Any, *figures: str) -> Comparison | Comparisons:
        """The same answer beside several published figures, in one table."""
        if isinstance(ours, Comparison):
            return ours
        return Comparisons(self.compare(ours, figure) for figure in figures)

    def hypothesis(
        self,
        estimate: Any,
        *,
        above: float | None = None,
        below: float | None = None,
        primary: bool = True,
        says: str = "",
    ) -> Comparison:
        """Whether an estimate supports a directed hypothesis; primary unless told otherwise."""
        if isinstance(estimate, Comparison):
            return self._indirect(replace(estimate, primary=primary))
        told = hypothesis(
            estimate,
            above=above,
            below=below,
            level=self.level,
            primary=primary,
            says=says,
        )
        return self._indirect(told)

    def threshold(self, claim: str, default: float) -> float:
        """The claim's threshold, declared in the study file or the workbook's default."""
        return float(self._claim(claim).get("threshold", default))

    def within(self, claim: str, default: Iterable[str] = ()) -> list[str]:
        """The questions whose answers make comparable customers, those that were asked."""
        wanted = list(self._claim(claim).get("within", default))
        gone = self.survey.unanswered(wanted)
        return [question for question in wanted if question not in gone]

    def _claim(self, claim: str) -> Mapping[str, Any]:
        return self.table.get("claims", {}).get(claim, {})

    def _indirect(self, told: Comparison) -> Comparison:
        """Real but indirect data show the method and carry no verdict on the claim."""
        why = self._claim(told.claim).get("indirect")
        silent = told.verdict == "not asked" and not told.primary
        if not why or silent or told.verdict in ("not comparable", "not testable"):
            return told
        ours = "not asked" if told.ours is None else told.ours.value_text
        sentence = f"{told.name}: {ours}. {why} No verdict on the claim."
        return replace(told, verdict="not testable", reasons=(str(why),), sentence=sentence, p=None)

    # -- the page ------------------------------------------------------------------------------

    def answer(self, *results: Comparison, text: str = "") -> Answer:
        """The page's answer: the sentences of its main results, or a text of one's own."""
        told = text or " ".join(result.sentence or f"{result}." for result in results)
        claims = tuple(dict.fromkeys(r.claim for r in results if getattr(r, "claim", "")))
        verdicts = [r.verdict for r in results if isinstance(r, Comparison)]
        return Answer(told, claims, verdicts[0] if len(verdicts) == 1 else "")

    def about(self) -> Facts:
        """What was asked of whom, and when."""
        origin, survey = self.survey.origin, self.survey
        rows = {
            "Study": self.title,
            "Data": survey.source,
            "Respondents": f"{len(survey):,}" + self._of_all(),
            "Population": origin.population or "not told",
            "Country": origin.country or "not told",
            "Fieldwork": origin.year or "not told",
            "Mode": origin.mode or "not told",
            "Sample": origin.sample or "not told",
            "Design": survey.design.text(),
            "Degrees of freedom": f"{survey.df:,.0f}",
            "Provenance": self.provenance or "not told",
            "Licence": self.table.get("licence", "not told"),
            "What it can show": self.table.get("shows", "not told"),
        }
        return facts("About this study", rows)

    def _of_all(self) -> str:
        return "" if len(self.survey) == len(self.whole) else f" of {len(self.whole):,}"

    def colophon(self) -> Facts:
        """What the page was made from: files by their sha256, versions, level."""
        from importlib.metadata import version

        rows = {f"{label} (sha256)": sha[:16] for label, sha in self.inputs().items()}
        rows |= {name: version(name) for name in ("cxlib", "pandas", "numpy", "scipy")}
        rows["Confidence level"] = f"{100 * self.level:g} %"
        rows["Small cells"] = f"bases under {self.survey.origin.small_cell} are suppressed"
        return facts("Colophon", rows)

    def inputs(self) -> dict[str, str]:
        """Label → sha256 of every file that the study's numbers rest on."""
        found = {
            "data": digest(file_of(self._data).read_bytes()),
            "study": digest(self.path.read_bytes()),
            "questionnaire": digest(paths.data("questionnaire.toml").read_bytes()),
            "claims": digest(paths.data("claims.toml").read_bytes()),
        }
        files = sorted(paths.data("benchmarks").glob("*.toml"))
        found["benchmarks"] = digest(b"".join(file.read_bytes() for file in files))
        if "codebook" in self.table:
            found["codebook"] = digest((self.path.parent / self.table["codebook"]).read_bytes())
        return found

    @cached_property
    def _data(self) -> str | Path:
        return data_path(self.path, str(self.table["data"]))

    # -- segments ------------------------------------------------------------------------------

    def segments(self, by: str) -> tuple[str, ...]:
        """The conditions, ``"sector=1"`` …, that cut those looked at by a question's answers."""
        codes = self.survey.codes(by)
        if len(codes) > MOST_SEGMENTS:
            raise CxError(
                f"{by!r} cuts the survey into too many parts",
                got=f"{len(codes):,} different answers",
                want=f"a question with at most {MOST_SEGMENTS}",
                do="cut by a question that groups respondents, or band the numbers first",
            )
        return tuple(f"{by}={code}" for code in codes)

    def segment_label(self, where: str) -> str:
        """A condition in words: ``"sector: bank"``."""
        if not where:
            return "all respondents"
        words = []
        for name, codes in conditions(where).items():
            labels = self.survey.codebook.get(name).labels
            words.append(f"{name}: {', '.join(_label(labels, code) for code in codes)}")
        return "; ".join(words)


def _names(one: Any) -> Iterable[str]:
    """The questions that an argument names: itself, the values of a mapping, or its members."""
    if isinstance(one, str):
        return (one,)
    return one.values() if isinstance(one, Mapping) else one


def _label(labels: Mapping[Any, str], code: str) -> str:
    try:
        return labels.get(float(code), code)
    except ValueError:
        return code


def open_study(
    study: str | Path,
    *,
    notebook: str = "",
    where: str = "",
    level: float = 0.95,
    **settings: Any,
) -> Study:
    """Open a study: read and check its file, its data and the notebook's parameters.

    Parameters
    ----------
    study : path or name
        A study file, or the bare name of one that the workbook carries (``"sample"``).
    notebook : str
        The notebook that opens it; results carry the name.
    where : str
        ``"sector=6"`` or ``"sector=6; country=IE"``: look at this part only.
    level : float
        Confidence of the intervals.
    **settings
        The notebook's other parameters; they are checked for type and range.

    Returns
    -------
    Study

    Raises
    ------
    CxError
        The study file is missing, malformed or names what does not exist; the data cannot be read;
        a parameter is unknown, mistyped or out of range; the segment has no members.
    """
    params.check_injected()
    known = {"level": 0.95}
    known |= {name: it for name, it in settings.items() if notebook or name in params.RANGES}
    params.check(known, {"level": level, **settings}, where=notebook or "open_study")
    path = study_path(study)
    table = read_toml(path)
    check(table, path)
    whole = survey_of(table, path, notebook)
    survey = whole.where(**conditions(where)) if where else whole
    return Study(path, table, survey, whole, notebook, level)
