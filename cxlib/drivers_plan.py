"""Which recipe answers a question about drivers: methods, groups, choices of items, reliability."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drivers_data import Columns, groups_of
from .drivers_game import (
    CLOSED,
    EXACT,
    GAMES,
    TOLERANCE,
    Averaged,
    Composite,
    Corrected,
    Recipe,
    Sampled,
    game,
    owen,
)
from .drivers_shares import Plan
from .errors import CxError, unknown

METHODS = (*GAMES, "owen", *CLOSED)
ITEMS = ("all", "equal", "composite")
SAME = {"lmg": "shapley", "relative-weights": "johnson"}
WORDS = {
    "shapley": "Shapley (LMG) shares of R²",
    "owen": "Owen shares of R²",
    "last": "R² added last",
    "first": "R² alone",
    "johnson": "Johnson's relative weights",
    "genizi": "Genizi's shares of R²",
    "betasq": "squared standardised coefficients",
    "pratt": "Pratt's products of coefficient and correlation",
    "car": "squared CAR scores",
}
#: Draws of items where there are too many to try them all.
_CHOICES = 300


def known(method: str, family: str, items: str, groups: Any) -> None:
    if method not in METHODS:
        raise unknown("method of importance", method, METHODS)
    if family not in ("gaussian", "binomial"):
        raise unknown("family", family, ("gaussian", "binomial"))
    if family == "binomial" and method not in (*GAMES, "johnson"):
        raise unknown("method for a yes/no outcome", method, (*GAMES, "johnson"))
    if items not in ITEMS:
        raise unknown("choice of items", items, ITEMS)
    if groups is None and (items != "all" or method == "owen"):
        raise CxError("this needs groups", got=f"method {method}, items {items}", do="give groups=")
    if items != "all" and method == "owen":
        raise CxError("Owen's shares take the items as they are", got=f"items {items}", want="all")


def plan_of(
    data: Columns,
    among: Sequence[str],
    groups: Any,
    method: str,
    items: str,
    reliability: float | Mapping[str, float] | None,
    permutations: int,
    seed: int,
) -> Plan:
    """How the shares are made: players, recipe, and what a reader should know of it."""
    named = groups_of(among, groups)
    wide = [name for name in among if len(data.blocks[name]) > 1]
    _fitting(data, method, items, wide, groups is not None)
    blocks = {name: tuple(data.blocks[one] for one in own) for name, own in named.items()}
    terms, cautions = tuple(named), _uneven(blocks, items)
    if method == "owen":
        terms, cautions = tuple(one for own in named.values() for one in own), ()
    recipe = _recipe(blocks, method, items, data, permutations, seed)
    words = WORDS[method] + {"equal": ", equal items", "composite": ", composites"}.get(items, "")
    if isinstance(recipe, Sampled):
        error = recipe.error(data.cov)
        words += f", {len(recipe.orders):,} random orders"
        cautions += (f"sampled, not exact: Monte Carlo standard error up to {error:.2g} of R²",)
    if reliability is not None:
        recipe = Corrected(recipe, _reliabilities(data, reliability, wide))
        if not np.isfinite(recipe.values(data.cov[None])).all():
            raise CxError(
                "no true scores could have these reliabilities",
                got=str(reliability),
                want="reliabilities above the squared correlations that are seen",
                do="higher reliabilities, or composites of the items",
            )
        words += ", without measurement error (reliabilities taken as known)"
    return Plan(terms, recipe, words, cautions + _singular(data))


def _fitting(data: Columns, method: str, items: str, wide: Sequence[str], grouped: bool) -> None:
    """A CxError where a method cannot take such columns."""
    if method in CLOSED and (data.controls or (method != "pratt" and wide)):
        raise CxError(
            f"{WORDS[method]} need one column a predictor, and no controls",
            got=", ".join(wide) or "controls",
            do='method="shapley" takes both',
        )
    if method in ("betasq", "car") and grouped:
        raise CxError(f"{WORDS[method]} do not add up over groups", do='method="shapley"')
    if method == "owen" and data.controls:
        raise CxError("Owen's shares take no controls", do='method="shapley"')
    if items == "composite" and (wide or data.controls):
        raise CxError("composites need one column an item, and no controls", got=", ".join(wide))


def _recipe(
    blocks: Mapping[str, tuple],
    method: str,
    items: str,
    data: Columns,
    permutations: int,
    seed: int,
) -> Recipe:
    players = tuple(tuple(c for one in own for c in one) for own in blocks.values())
    if method == "owen":
        if max(len(own) for own in blocks.values()) + len(blocks) - 1 > EXACT:
            raise CxError("too many predictors for Owen's shares", want=f"{EXACT} players or fewer")
        return owen(list(blocks.values()))
    if items == "equal":
        return _equal(blocks, method, data, permutations, seed)
    if items == "composite":
        alone = tuple((i,) for i in range(len(blocks)))
        return Composite(game(method, alone, (), permutations, seed), players)
    return game(method, players, data.controls, permutations, seed)


def _uneven(blocks: Mapping[str, tuple], items: str) -> tuple[str, ...]:
    sizes = {name: len(own) for name, own in blocks.items()}
    if items != "all" or len(set(sizes.values())) < 2 or max(sizes.values()) < 2:
        return ()
    counts = ", ".join(f"{name} {count}" for name, count in sizes.items())
    return (f'groups of unequal size ({counts}): compare items="equal" and "composite"',)


def _singular(data: Columns) -> tuple[str, ...]:
    """A caution where predictors are combinations of each other."""
    if np.linalg.eigvalsh(data.cov[:-1, :-1])[0] > TOLERANCE:
        return ()
    return ("some predictors are combinations of others: what they share is split between them",)


def _equal(
    blocks: Mapping[str, tuple], method: str, data: Columns, permutations: int, seed: int
) -> Recipe:
    """The mean over all choices of as many items a group as the smallest has."""
    least = min(len(own) for own in blocks.values())
    each = [
        list(itertools.islice(itertools.combinations(own, least), 5000)) for own in blocks.values()
    ]
    count = math.prod(len(one) for one in each)
    if count <= _CHOICES:
        chosen = list(itertools.product(*each))
    else:
        rng = np.random.default_rng(seed)
        chosen = [[one[rng.integers(len(one))] for one in each] for _ in range(_CHOICES)]
    parts = []
    for choice in chosen:
        used, players = list(data.controls), []
        for picked in choice:
            own = [c for one in picked for c in one]
            players.append(tuple(range(len(used), len(used) + len(own))))
            used += own
        always = tuple(range(len(data.controls)))
        inner = game(method, tuple(players), always, permutations, seed)
        parts.append(((*used, len(data.cov) - 1), inner))
    return Averaged(parts)


def _reliabilities(
    data: Columns, reliability: float | Mapping[str, float], wide: Sequence[str]
) -> np.ndarray:
    given = reliability
    if not isinstance(given, Mapping):
        given = dict.fromkeys((name for name in data.blocks if name not in wide), given)
    out = np.ones(len(data.cov))
    for name, value in given.items():
        if name != data.outcome and name not in data.blocks:
            raise unknown("question with a reliability", name, (*data.blocks, data.outcome))
        if name in wide:
            raise CxError(f"{name!r} has several columns: no one reliability fits them")
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 < value <= 1:
            raise CxError(
                f"the reliability of {name!r} is no share", got=repr(value), want="above 0, up to 1"
            )
        out[-1 if name == data.outcome else data.blocks[name][0]] = value
    return out
