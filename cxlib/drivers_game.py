"""The numbers behind driver shares: R² of every subset of predictors, and who gets what of it.

Everything here is a function of one covariance matrix (the outcome last): the cross-products are
the sufficient statistics, so a bootstrap never sees the rows again. A *recipe* turns covariance
matrices, shape (B, m, m), into shares, shape (B, K), and knows its own derivative, shape (K, m, m),
from which the design-based standard error follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import numpy as np

#: Exact up to this many players; 2^15 subsets.
EXACT = 15
#: A column whose variance left over by the others is under this share of its own adds nothing.
TOLERANCE = 1e-9
#: Shares that follow from the R² of subsets.
GAMES = ("shapley", "last", "first")
#: Shares that follow from the correlation matrix at once.
CLOSED = ("johnson", "genizi", "betasq", "pratt", "car")

Players = tuple[tuple[int, ...], ...]


class Recipe(Protocol):
    """Shares as a function of covariance matrices, and their derivative."""

    def values(self, covs: np.ndarray) -> np.ndarray: ...

    def gradient(self, cov: np.ndarray) -> np.ndarray: ...


# -- R² of every subset ----------------------------------------------------------------------------


def _inverse(pivot: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """1 / pivot, or 0 where hardly anything of the column is left."""
    some = (pivot > TOLERANCE * whole) & (pivot > 0)
    return np.where(some, 1.0, 0.0) / np.where(some, pivot, 1.0)


def left_over(covs: np.ndarray, players: Players) -> np.ndarray:
    """The outcome's variance that each subset of players leaves, shape (2^P, B).

    Bit j of a subset's number is player j. One Gaussian elimination over all subsets at once: a
    player's columns are either eliminated or dropped, so the matrices shrink as the subsets double.
    """
    order = [column for player in players for column in player] + [covs.shape[1] - 1]
    a = np.ascontiguousarray(covs[:, order][:, :, order].transpose(1, 2, 0))
    whole = np.einsum("iib->ib", a)
    batch, done = a.shape[2], 0
    for player in players:
        size = len(player)
        taken = a
        for step in range(size):
            own = np.tile(whole[done + step], taken.shape[2] // batch)
            row = taken[0, 1:] * _inverse(taken[0, 0], own)
            taken = taken[1:, 1:] - taken[1:, :1] * row[None]
        a = np.concatenate([a[size:, size:], taken], axis=2)
        done += size
    return a[0, 0].reshape(1 << len(players), batch)


def residual_makers(cov: np.ndarray, players: Players) -> tuple[np.ndarray, np.ndarray]:
    """(d, variance): each subset's residual is d · columns; shapes (2^P, m) and (2^P,).

    d is 1 at the outcome and minus the coefficients elsewhere. By sweeping, all subsets at once.
    """
    columns = [column for player in players for column in player]
    order = [*columns, len(cov) - 1]
    t = cov[np.ix_(order, order)][:, :, None].copy()
    whole, done = np.diag(t[:, :, 0]).copy(), 0
    for player in players:
        dropped, taken = t[:, len(player) :].copy(), t
        for k in range(done, done + len(player)):
            row = taken[k, 1:] * _inverse(taken[k, 0], whole[k])
            taken = taken[:, 1:] - taken[:, :1] * row[None]
            taken[k] = row
            dropped[k] = 0.0
        t = np.concatenate([dropped, taken], axis=2)
        done += len(player)
    d = np.zeros((t.shape[2], len(cov)))
    d[:, columns] = -t[:-1, 0].T
    d[:, -1] = 1.0
    return d, t[-1, 0]


@cache
def contrast(method: str, count: int) -> np.ndarray:
    """What each subset's R² counts in each player's share, shape (2^P, P)."""
    masks = np.arange(1 << count)
    inside = (masks[:, None] >> np.arange(count)) & 1 == 1
    out = np.zeros(inside.shape)
    if method == "shapley":
        size = inside.sum(axis=1)
        chance = np.array([1 / (count * math.comb(count - 1, s)) for s in range(count)])
        with_it = chance[np.maximum(size - 1, 0)][:, None]
        without = chance[np.minimum(size, count - 1)][:, None]
        out = np.where(inside, with_it, -without)
    elif method == "last":
        out[-1] = 1.0
        out[masks[-1] - (1 << np.arange(count)), np.arange(count)] -= 1.0
    else:
        out[1 << np.arange(count), np.arange(count)] = 1.0
        out[0] = -1.0
    out.setflags(write=False)
    return out


def owen_contrast(members: int, others: int) -> np.ndarray:
    """As :func:`contrast` for the members of one group among other groups, members first.

    Owen's value: a coalition of other groups, then one within the own group, each by Shapley's
    weights; shape (2^(members + others), members).
    """
    inner = contrast("shapley", members)
    size = np.array([bin(mask).count("1") for mask in range(1 << others)])
    chance = np.array([1 / ((others + 1) * math.comb(others, s)) for s in range(others + 1)])
    return (chance[size][:, None, None] * inner[None]).reshape(-1, members)


# -- recipes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lattice:
    """Shares that are sums over all subsets; ``always`` are columns that stand in every one."""

    players: Players
    weights: np.ndarray
    always: tuple[int, ...] = ()

    @property
    def _all(self) -> Players:
        return (self.always, *self.players) if self.always else self.players

    def _kept(self, subsets: np.ndarray) -> np.ndarray:
        return subsets[1::2] if self.always else subsets

    def values(self, covs: np.ndarray) -> np.ndarray:
        total = covs[:, -1, -1]
        left = self._kept(left_over(covs, self._all))
        return -(self.weights.T @ left).T / np.where(total > 0, total, np.nan)[:, None]

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        d, left = (self._kept(one) for one in residual_makers(cov, self._all))
        total = cov[-1, -1]
        out = np.stack([-(d * weight[:, None]).T @ d / total for weight in self.weights.T])
        out[:, -1, -1] += self.weights.T @ left / total**2
        return out


@dataclass(frozen=True, eq=False)
class Sampled:
    """Shapley shares from random orders of the players, shape (orders, P), each with its reverse.

    ``always`` are columns that go before all others.
    """

    players: Players
    orders: np.ndarray
    always: tuple[int, ...] = ()

    def _walk(self, cov: np.ndarray, orders: np.ndarray):
        """Yield (player, residual makers, variance left) before any player and after each."""
        count, m = len(orders), len(cov)
        players = (*self.players, self.always)
        width = max(map(len, players))
        table = np.array([[*p, *[-1] * (width - len(p))] for p in players]).reshape(-1, width)
        t, which = np.repeat(cov[None], count, axis=0), np.arange(count)
        inside, whole = np.zeros((count, m), bool), np.diag(cov)
        steps = np.column_stack([np.full(count, len(self.players)), orders])
        for player in steps.T:
            for column in table[player].T:
                live = column >= 0
                inverse = np.where(live, _inverse(t[which, column, column], whole[column]), 0.0)
                row = t[which, column] * inverse[:, None]
                pillar = t[which, :, column]
                t -= pillar[:, :, None] * row[:, None, :]
                t[which[live], column[live]] = row[live]
                inside[which[live], column[live]] = True
            d = np.where(inside, -t[:, :, -1], 0.0)
            d[:, -1] = 1.0
            yield player, d, t[:, -1, -1].copy()

    def samples(self, cov: np.ndarray, orders: np.ndarray) -> np.ndarray:
        """Each order's shares, shape (orders, P)."""
        out = np.zeros(orders.shape)
        before = None
        for player, _, left in self._walk(cov, orders):
            if before is not None:
                out[np.arange(len(orders)), player] = before - left
            before = left
        return out / cov[-1, -1] if cov[-1, -1] > 0 else np.full(out.shape, np.nan)

    def values(self, covs: np.ndarray) -> np.ndarray:
        few = self.orders if len(covs) == 1 else self.orders[:200]
        out = np.stack([self.samples(cov, few).mean(axis=0) for cov in covs])
        return out

    def error(self, cov: np.ndarray) -> float:
        """The largest Monte Carlo standard error, from pairs of an order and its reverse."""
        pairs = self.samples(cov, self.orders).reshape(-1, 2, len(self.players)).mean(axis=1)
        return float(pairs.std(axis=0, ddof=1).max() / math.sqrt(len(pairs)))

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        few = self.orders[:400]
        out = np.zeros((len(self.players), *cov.shape))
        share = np.zeros(len(self.players))
        before = None
        for player, d, left in self._walk(cov, few):
            if before is not None:
                earlier, still = before
                step = earlier[:, :, None] * earlier[:, None, :] - d[:, :, None] * d[:, None, :]
                np.add.at(out, player, step)
                np.add.at(share, player, still - left)
            before = d, left
        out /= len(few) * cov[-1, -1]
        out[:, -1, -1] -= share / len(few) / cov[-1, -1] ** 2
        return out


def random_orders(count: int, players: int, seed: int) -> np.ndarray:
    """Random orders of players, each followed by its reverse, shape (count, players)."""
    rng = np.random.default_rng(seed)
    half = rng.permuted(np.tile(np.arange(players), (count // 2, 1)), axis=1)
    return np.stack([half, half[:, ::-1]], axis=1).reshape(-1, players)


def numeric_gradient(recipe: Recipe, cov: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The derivative of shares by a covariance matrix, by central differences."""
    rows, columns = np.triu_indices(len(cov))
    moved = np.zeros((len(rows), *cov.shape))
    moved[np.arange(len(rows)), rows, columns] = step
    moved[np.arange(len(rows)), columns, rows] = step
    slope = (recipe.values(cov + moved) - recipe.values(cov - moved)) / (2 * step)
    out = np.zeros((slope.shape[1], *cov.shape))
    half = np.where(rows == columns, 1.0, 0.5)
    out[:, rows, columns] = (slope * half[:, None]).T
    out[:, columns, rows] = (slope * half[:, None]).T
    return out


@dataclass(frozen=True, eq=False)
class Closed:
    """Shares that follow from the correlation matrix at once, added up over a player's columns."""

    method: str
    players: Players

    def values(self, covs: np.ndarray) -> np.ndarray:
        each = closed_form(covs, self.method)
        return np.column_stack([each[:, list(player)].sum(axis=1) for player in self.players])

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        return numeric_gradient(self, cov)


def correlations(covs: np.ndarray) -> np.ndarray:
    """Covariance matrices as correlations; columns that do not vary correlate with nothing."""
    sd = np.sqrt(np.maximum(np.einsum("bii->bi", covs), 0.0))
    scale = np.where(sd > 0, 1.0, 0.0) / np.where(sd > 0, sd, 1.0)
    return covs * scale[:, :, None] * scale[:, None, :]


def roots(r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R^½, R^−½ and R^−1 of correlation matrices, singular directions left out of the inverses."""
    values, vectors = np.linalg.eigh(r)
    some = values > TOLERANCE
    safe = np.where(some, values, 1.0)

    def built(power: np.ndarray) -> np.ndarray:
        return (vectors * power[:, None, :]) @ vectors.transpose(0, 2, 1)

    root = np.sqrt(np.maximum(values, 0.0))
    return built(root), built(some / np.sqrt(safe)), built(some / safe)


def closed_form(covs: np.ndarray, method: str) -> np.ndarray:
    """Johnson (and Genizi), squared standardised coefficients, Pratt and CAR: shape (B, p)."""
    r = correlations(covs)
    with_outcome = r[:, :-1, -1:]
    root, inverse_root, inverse = roots(r[:, :-1, :-1])
    if method in ("johnson", "genizi"):
        return (root**2 @ (inverse_root @ with_outcome) ** 2)[:, :, 0]
    if method == "car":
        return ((inverse_root @ with_outcome) ** 2)[:, :, 0]
    beta = inverse @ with_outcome
    return (beta**2 if method == "betasq" else beta * with_outcome)[:, :, 0]


@dataclass(frozen=True, eq=False)
class Relative:
    """Shares of the shares' sum."""

    inner: Recipe

    def values(self, covs: np.ndarray) -> np.ndarray:
        each = self.inner.values(covs)
        whole = each.sum(axis=1, keepdims=True)
        return each / np.where(np.abs(whole) > 1e-300, whole, np.nan)

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        each, slope = self.inner.values(cov[None])[0], self.inner.gradient(cov)
        share = each / each.sum()
        return (slope - share[:, None, None] * slope.sum(axis=0)) / each.sum()


@dataclass(frozen=True, eq=False)
class Corrected:
    """Shares once measurement error is taken out: variances times their reliability."""

    inner: Recipe
    reliability: np.ndarray

    def values(self, covs: np.ndarray) -> np.ndarray:
        true = covs * self.factors
        bad = np.linalg.eigvalsh(correlations(true))[:, 0] <= TOLERANCE
        return np.where(bad[:, None], np.nan, self.inner.values(true))

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        return self.inner.gradient(cov * self.factors) * self.factors

    @cached_property
    def factors(self) -> np.ndarray:
        """1 off the diagonal, the reliability on it."""
        out = np.ones((len(self.reliability), len(self.reliability)))
        np.fill_diagonal(out, self.reliability)
        return out


@dataclass(frozen=True, eq=False)
class Averaged:
    """The mean of recipes, each on some of the columns (the outcome last)."""

    parts: Sequence[tuple[tuple[int, ...], Recipe]]

    def values(self, covs: np.ndarray) -> np.ndarray:
        made = (recipe.values(covs[:, cols][:, :, cols]) for cols, recipe in self._lists())
        return sum(made) / len(self.parts)

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        out = None
        for columns, recipe in self._lists():
            own = recipe.gradient(cov[np.ix_(columns, columns)])
            out = np.zeros((len(own), *cov.shape)) if out is None else out
            out[:, np.array(columns)[:, None], columns] += own
        return out / len(self.parts)

    def _lists(self):
        return ((list(columns), recipe) for columns, recipe in self.parts)


@dataclass(frozen=True, eq=False)
class Composite:
    """Shares of the groups' composites: the mean of a group's standardised items."""

    inner: Recipe
    groups: Players

    def values(self, covs: np.ndarray) -> np.ndarray:
        r = correlations(covs)
        mix = np.zeros((len(self.groups) + 1, covs.shape[1]))
        for g, group in enumerate(self.groups):
            mix[g, list(group)] = 1 / len(group)
        mix[-1, -1] = 1.0
        return self.inner.values(mix @ r @ mix.T)

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        return numeric_gradient(self, cov)


@dataclass(frozen=True, eq=False)
class Joined:
    """Several recipes side by side: the shares of one, then those of the next."""

    parts: Sequence[tuple[Recipe, Sequence[int]]]

    def values(self, covs: np.ndarray) -> np.ndarray:
        made = np.column_stack([recipe.values(covs) for recipe, _ in self.parts])
        return made[:, self._places]

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        return np.concatenate([recipe.gradient(cov) for recipe, _ in self.parts])[self._places]

    @property
    def _places(self) -> np.ndarray:
        return np.argsort([place for _, places in self.parts for place in places])


def game(
    method: str,
    players: Players,
    always: tuple[int, ...] = (),
    orders: int = 2000,
    seed: int = 0,
) -> Recipe:
    """The recipe of a method: exact to :data:`EXACT` players, Shapley from random orders beyond."""
    count = len(players)
    if method in CLOSED:
        return Closed(method, players)
    if method == "shapley" and count > EXACT:
        return Sampled(players, random_orders(orders, count, seed), always)
    if method != "shapley":
        return Edge(method, players, always)
    return Lattice(players, contrast(method, count), always)


@dataclass(frozen=True, eq=False)
class Edge:
    """What a player adds last (to all others) or first (alone): two subsets a player."""

    method: str
    players: Players
    always: tuple[int, ...] = ()

    def _parts(self) -> Joined:
        made = []
        for place, player in enumerate(self.players):
            rest = [c for other in self.players if other is not player for c in other]
            always = (*self.always, *rest) if self.method == "last" else self.always
            made.append((Lattice((player,), contrast("shapley", 1), always), [place]))
        return Joined(made)

    def values(self, covs: np.ndarray) -> np.ndarray:
        return self._parts().values(covs)

    def gradient(self, cov: np.ndarray) -> np.ndarray:
        return self._parts().gradient(cov)


def owen(groups: Sequence[Players]) -> Recipe:
    """Owen's value of every predictor within its group, group after group."""
    parts, place = [], 0
    for g, group in enumerate(groups):
        rest = tuple(
            tuple(c for player in other for c in player) for o, other in enumerate(groups) if o != g
        )
        weights = owen_contrast(len(group), len(rest))
        parts.append((Lattice((*group, *rest), weights), range(place, place + len(group))))
        place += len(group)
    return Joined(parts)
