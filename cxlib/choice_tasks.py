"""Choices as people made them, read from one row an alternative, checked, and ready for a model.

A task is a set of alternatives of which one was chosen. Attributes that are text become one column
a level, against a reference; labelled alternatives get a constant each; what belongs to the person
(age, income) enters as its product with those constants, as it is the same for every alternative.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .survey import Design, Survey
from .survey_codes import numeric


@dataclass(frozen=True)
class Question:
    """Which columns say what; see :func:`cxlib.choice.choice_wtp`."""

    chosen: str
    task: str
    price: str
    attributes: tuple[str, ...]
    alternatives: str = ""
    respondent: str = ""
    characteristics: tuple[str, ...] = ()
    reference: tuple[tuple[str, str], ...] = ()

    def columns(self) -> tuple[str, ...]:
        """What a row must have to count."""
        many = (self.chosen, self.price, *self.attributes, self.alternatives, *self.characteristics)
        return tuple(name for name in many if name)


@dataclass(frozen=True, eq=False)
class Tasks:
    """Choices as arrays: rows are alternatives, task by task, respondent by respondent.

    Attributes
    ----------
    survey : Survey
        With the respondents (without them: the tasks) as clusters where none are declared.
    names : tuple of str
        The K columns; the price is the first. ``parts`` says which attribute each comes from.
    x : float array, shape (rows, K)
    row : int array, shape (rows,): their places in the survey's frame
    task : int array, shape (rows,), ascending from 0
    chosen : bool array, shape (rows,)
    person : int array, shape (tasks,), ascending from 0
    weight : float array, shape (tasks,)
    n, n_excluded : int
        Respondents (tasks, where respondents are not told apart) in the model, and left out of it.
    """

    survey: Survey
    names: tuple[str, ...]
    parts: tuple[str, ...]
    x: np.ndarray
    row: np.ndarray
    task: np.ndarray
    chosen: np.ndarray
    person: np.ndarray
    weight: np.ndarray
    n: int
    n_excluded: int
    cautions: tuple[str, ...]

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each task begins."""
        return np.flatnonzero(np.diff(self.task, prepend=-1))

    @cached_property
    def centred(self) -> np.ndarray:
        """``x`` less its mean within the task: all that a choice can depend on."""
        size = np.bincount(self.task)
        mean = np.add.reduceat(self.x, self.starts) / size[:, None]
        return self.x - mean[self.task]

    @cached_property
    def spread(self) -> np.ndarray:
        """The standard deviation of each column within tasks, shape (K,)."""
        return np.sqrt((self.centred**2).mean(axis=0))

    @cached_property
    def digest(self) -> bytes:
        """What the model depends on, in 32 bytes."""
        seen = hashlib.blake2b(repr((self.names, self.survey.design)).encode(), digest_size=32)
        for array in (self.x, self.row, self.task, self.chosen, self.person, self.weight):
            seen.update(np.ascontiguousarray(array).tobytes())
        return seen.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tasks) and self.digest == other.digest


def read_tasks(choices: Survey | pd.DataFrame, question: Question, weights: str | None) -> Tasks:
    """The choices, checked.

    Raises
    ------
    CxError
        Unknown columns; not one chosen alternative a task; an alternative twice in a task, or never
        chosen; no variation within tasks; collinear attributes; weights that vary within a task.
    """
    survey = _survey(choices, question, weights)
    person, task = _keys(survey, question)
    order = np.argsort(task, kind="stable")
    order = order[survey.looked_at[order]]
    kept, n_all, lost = _kept(survey, question, order, person, task)
    if not len(kept):
        raise CxError(
            "no choice is complete",
            got=f"{lost:,} tasks with gaps, zero weight or a single alternative",
            want="tasks with two or more alternatives, their attributes, and what was chosen",
        )
    _, dense = np.unique(task[kept], return_inverse=True)
    _, people = np.unique(person[kept], return_inverse=True)
    chosen = _chosen(survey, question, kept, dense, person, task)
    names, parts, x = _columns(survey, question, kept, dense, chosen)
    first = np.flatnonzero(np.diff(dense, prepend=-1))
    weight = survey.weights[kept]
    if (weight != weight[first][dense]).any():
        raise CxError("the weights vary within a task", want="one weight for all alternatives")
    tasks = Tasks(
        survey=survey,
        names=names,
        parts=parts,
        x=x,
        row=kept,
        task=dense,
        chosen=chosen,
        person=people[first],
        weight=weight[first],
        n=int(people.max()) + 1,
        n_excluded=n_all - int(people.max()) - 1,
        cautions=_cautions(question, lost, len(first)),
    )
    _identified(tasks)
    return tasks


def _survey(choices: Survey | pd.DataFrame, question: Question, weights: str | None) -> Survey:
    if isinstance(choices, pd.DataFrame):
        choices = Survey(choices, design=Design())
    if not isinstance(choices, Survey):
        raise CxError(
            "choices are a survey or a DataFrame with one row an alternative",
            got=type(choices).__name__,
        )
    used = [*question.columns(), question.task, question.respondent]
    for name in dict.fromkeys(filter(None, used)):
        if name not in choices:
            raise unknown("column", name, choices.frame.columns)
    terms = [question.price, *question.attributes]
    twice = sorted({name for name in terms if terms.count(name) > 1})
    if twice:
        raise CxError("an attribute is named twice", got=", ".join(twice), want="each once")
    design = choices.design
    if weights:
        design = replace(design, weights=weights)
    if not design.clusters:
        design = replace(design, clusters=(question.respondent or question.task,))
    return replace(choices, design=design)


def _keys(survey: Survey, question: Question) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the respondent and of the task of each row; tasks count within respondents."""
    task = _numbered(survey, question.task)
    if not question.respondent:
        return task, task
    person = _numbered(survey, question.respondent)
    return person, person * (task.max() + 1) + task


def _numbered(survey: Survey, name: str) -> np.ndarray:
    column = survey.frame[name]
    try:
        codes, _ = pd.factorize(column, sort=True)
    except TypeError:
        codes, _ = pd.factorize(column.astype(str).where(column.notna()), sort=True)
    if (codes[survey.looked_at] < 0).any():
        raise CxError(
            f"{name!r} has gaps",
            got=f"{int((codes < 0).sum()):,} rows without a value",
            want="a task (and a respondent) for every alternative",
        )
    return codes.astype(np.int64)


def _kept(
    survey: Survey, question: Question, order: np.ndarray, person: np.ndarray, task: np.ndarray
) -> tuple[np.ndarray, int, int]:
    """Rows of complete tasks, how many respondents were looked at, and how many tasks are lost."""
    if np.isin(task[order], task[~survey.looked_at]).any():
        raise CxError(
            "the segment cuts through tasks",
            got=survey.origin.segment,
            want="whole tasks: a segment of respondents or of tasks, not of alternatives",
        )
    gaps = survey.weights == 0
    for name in question.columns():
        gaps = gaps | survey.answers(name).isna().to_numpy()
    _, dense, size = np.unique(task[order], return_inverse=True, return_counts=True)
    bad = np.bincount(dense, gaps[order], len(size)) > 0
    bad |= size < 2
    return order[~bad[dense]], len(np.unique(person[order])), int(bad.sum())


def _chosen(
    survey: Survey,
    question: Question,
    rows: np.ndarray,
    dense: np.ndarray,
    person: np.ndarray,
    task: np.ndarray,
) -> np.ndarray:
    values = survey.numbers(question.chosen)[rows]
    strange = sorted(set(np.unique(values)) - {0.0, 1.0})
    if strange:
        raise CxError(
            f"{question.chosen!r} says for each alternative whether it was chosen",
            got=", ".join(f"{value:g}" for value in strange[:5]),
            want="0 or 1",
        )
    count = np.bincount(dense, values)
    wrong = np.flatnonzero(count != 1)
    if len(wrong):
        row = rows[np.flatnonzero(dense == wrong[0])[0]]
        who = f", respondent {survey.frame[question.respondent].iloc[row]!s}"
        raise CxError(
            "each task has one chosen alternative",
            got=f"{len(wrong):,} of {len(count):,} tasks have none or several, e.g. task "
            f"{survey.frame[question.task].iloc[row]!s}{who if question.respondent else ''}",
            want="exactly one row with 1",
            do="check task= and respondent=; add a row for choosing nothing where that was offered",
        )
    if question.alternatives:
        label = pd.factorize(survey.frame[question.alternatives].iloc[rows])[0]
        pairs = dense * (int(label.max()) + 1) + label
        if len(np.unique(pairs)) < len(pairs):
            raise CxError(
                "an alternative stands twice in a task",
                got=f"{len(pairs) - len(np.unique(pairs)):,} such rows",
                want="each alternative once a task",
                do="check task= and alternatives=",
            )
    return values == 1


def _columns(
    survey: Survey,
    question: Question,
    rows: np.ndarray,
    dense: np.ndarray,
    chosen: np.ndarray,
) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Names, the attribute each column comes from, and the columns, shape (rows, K)."""
    told = dict(question.reference)
    found: list[tuple[str, str, np.ndarray]] = [
        (question.price, question.price, survey.numbers(question.price)[rows])
    ]
    for name in question.attributes:
        if numeric(survey.frame[name]) and name not in told:
            found.append((name, name, survey.numbers(name)[rows]))
        else:
            found += _levels(survey, name, rows, chosen, told.get(name))
    constants = []
    if question.alternatives:
        name = question.alternatives
        constants = _levels(survey, name, rows, chosen, told.get(name))
        found += constants
    elif question.characteristics:
        raise CxError(
            "what belongs to the person is the same for every alternative",
            got=", ".join(question.characteristics),
            want="alternatives= as well, so that its effect can differ between them",
        )
    found += _characteristics(survey, question, rows, dense, constants)
    stray = set(told) - {question.alternatives, *question.attributes}
    if stray:
        raise unknown("attribute", sorted(stray)[0], question.attributes)
    x = np.column_stack([one for _, _, one in found])
    if np.abs(x).max() > 1e100:
        raise CxError("an attribute is too large to calculate with", got=f"{np.abs(x).max():.3g}")
    return tuple(n for n, _, _ in found), tuple(p for _, p, _ in found), x


def _characteristics(
    survey: Survey,
    question: Question,
    rows: np.ndarray,
    dense: np.ndarray,
    constants: list[tuple[str, str, np.ndarray]],
) -> list[tuple[str, str, np.ndarray]]:
    """What belongs to the person, times each alternative's constant."""
    found = []
    for name in question.characteristics:
        values = survey.numbers(name)[rows]
        first = values[np.flatnonzero(np.diff(dense, prepend=-1))]
        if (values != first[dense]).any():
            raise CxError(
                f"{name!r} varies within a task", want="an attribute, not characteristics"
            )
        found += [(f"{name} × {label}", name, values * one) for label, _, one in constants]
    return found


def _levels(
    survey: Survey, name: str, rows: np.ndarray, chosen: np.ndarray, reference: str | None
) -> list[tuple[str, str, np.ndarray]]:
    """One 0/1 column a level but the reference (the first in order, unless told)."""
    column = survey.frame[name].iloc[rows].map(_text)
    levels = sorted(
        set(column), key=lambda text: (0, float(text), "") if _is(text) else (1, 0, text)
    )
    if reference is not None and reference not in levels:
        raise unknown(f"level of {name!r}", reference, levels)
    never = [level for level in levels if not chosen[(column == level).to_numpy()].any()]
    if never:
        raise CxError(
            "never chosen: a coefficient of minus infinity",
            got=f"{name} {', '.join(never[:5])}",
            want="levels that were chosen at least once",
            do="leave that alternative out of the tasks, or merge the level with another",
        )
    base = levels[0] if reference is None else reference
    return [
        (f"{name}: {level}", name, (column == level).to_numpy(dtype=float))
        for level in levels
        if level != base
    ]


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _is(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _cautions(question: Question, lost: int, tasks: int) -> tuple[str, ...]:
    cautions = []
    if lost:
        cautions.append(
            f"{lost:,} of {lost + tasks:,} tasks left out: a gap, no weight or a single alternative"
        )
    if not question.respondent:
        cautions.append("respondents are not told apart: every task counts as another respondent")
    return tuple(cautions)


def _identified(tasks: Tasks) -> None:
    """An error where a column does not vary within tasks, or follows from the others."""
    size = np.abs(tasks.x).max(axis=0)
    flat = tasks.spread <= 1e-12 * np.where(size > 0, size, 1)
    if flat.any():
        name = tasks.names[int(np.flatnonzero(flat)[0])]
        raise CxError(
            f"{name!r} does not vary within any task",
            got="the same for all alternatives, always",
            want="alternatives that differ" + (" in price" if name == tasks.names[0] else ""),
            do="leave it out, or offer it at several levels",
        )
    scaled = tasks.centred / tasks.spread
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    if values[0] < 1e-10 * values[-1]:
        part = np.abs(vectors[:, 0])
        names = [tasks.names[k] for k in np.flatnonzero(part > 0.05 * part.max())]
        raise CxError(
            "perfect collinearity: these always move together within tasks",
            got=", ".join(names),
            want="attributes that vary independently of each other",
            do="leave one of them out",
        )
