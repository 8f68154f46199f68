"""Pairs in which the one with the higher risk left first: weighted counts in n log n."""

from __future__ import annotations

import numpy as np


def below(
    key: np.ndarray,
    value: np.ndarray,
    weight: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    *,
    later: bool = True,
    strict: bool = True,
) -> np.ndarray:
    """For each query, the weight of the points with a greater key and a smaller value.

    ``later=False`` counts equal keys too, ``strict=False`` equal values. Merges blocks of doubling
    size, each in one cumulated sum; shapes (points,) and (queries,) → (queries,).
    """
    n, m = len(key), len(keys)
    query = np.concatenate([np.zeros(n, bool), np.ones(m, bool)])
    both, heights = np.concatenate([key, keys]), np.concatenate([value, values])
    w = np.concatenate([weight, np.zeros(m)])
    order = np.lexsort((query != later, -both))
    position = np.empty(n + m, np.int64)
    position[order] = np.arange(n + m)
    rising = np.lexsort((query != strict, heights))
    total = np.zeros(n + m)
    for bit in range(int(n + m).bit_length()):
        block = position[rising] >> (bit + 1)
        small = block.astype(np.uint16) if (n + m) >> (bit + 1) < 65_536 else block
        turn = np.argsort(small, kind="stable")
        placed, start = rising[turn], block[turn] << (bit + 1)
        left = (position[placed] >> bit) & 1 == 0
        passed = np.concatenate([[0.0], np.cumsum(np.where(left, w[placed], 0.0))])
        right = np.flatnonzero(~left)
        total[placed[right]] += passed[right] - passed[start[right]]
    return total[n:]


def beyond(key: np.ndarray, weight: np.ndarray, keys: np.ndarray, *, later: bool = True):
    """For each query, the weight of the points with a greater key (``later=False``: or equal)."""
    order = np.argsort(key, kind="stable")
    passed = np.concatenate([[0.0], np.cumsum(weight[order][::-1])])
    at = np.searchsorted(key[order], keys, "right" if later else "left")
    return passed[len(key) - at]


def pairs(
    stop: np.ndarray,
    event: np.ndarray,
    score: np.ndarray,
    weight: np.ndarray,
    start: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Each row's weight of concordant pairs (ties by half) and of pairs that can be compared.

    A pair is an event and somebody still followed after it; two events at one time are no pair.
    """
    rank = np.unique(stop, return_inverse=True)[1]
    key = 2 * rank + ~event
    own = np.flatnonzero(event)
    good, whole = np.zeros(len(stop)), np.zeros(len(stop))
    v, k, t, w = score[own], key[own], stop[own], weight[own]
    for strict in (True, False):
        good[own] += below(key, score, weight, k, v, strict=strict) / 2
        good += below(-k, -v, w, -key, -score, strict=strict) / 2
        if start is not None:
            options = {"later": False, "strict": strict}
            good[own] -= below(start, score, weight, t, v, **options) / 2
            good -= below(-t, -v, w, -start, -score, **options) / 2
    whole[own] += beyond(key, weight, k)
    whole += beyond(-k, w, -key)
    if start is not None:
        whole[own] -= beyond(start, weight, t, later=False)
        whole -= beyond(-t, w, -start, later=False)
    return good, whole
