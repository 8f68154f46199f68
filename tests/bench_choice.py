"""The mixed logit of the electricity data: time, likelihood and memory, beside xlogit if there.

    python tests/bench_choice.py [DRAWS …]          # default 100 300 600; prints one JSON line each

The data are read from ``$CX_SHARED/oracles/data`` (else ``../shared`` beside the checkout). Six
normal tastes, 361 respondents, 4,308 choices of 4, plain Halton draws, one start. Ours includes
reading, the conditional logit, BFGS, a numerical Hessian and standard errors; xlogit's is its
``fit`` (BFGS, standard errors from the outer product). ``--peer PYTHON`` names an interpreter that
has xlogit and pandas.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

TASTES = ["pf", "cl", "loc", "wk", "tod", "seas"]
PEER = """
import json, sys, time
import pandas as pd
from xlogit import MixedLogit
names = sys.argv[2].split(",")
frame = pd.read_csv(sys.argv[1]).sort_values(["chid", "alt"])
for draws in map(int, sys.argv[3:]):
    model, start = MixedLogit(), time.perf_counter()
    model.fit(X=frame[names], y=frame.chosen, varnames=names, ids=frame.chid, alts=frame.alt,
              panels=frame.id, n_draws=draws, randvars={n: "n" for n in names}, verbose=0)
    seconds = round(time.perf_counter() - start, 2)
    print(json.dumps({"program": "xlogit", "draws": draws, "seconds": seconds,
                      "loglik": round(float(model.loglikelihood), 4)}), flush=True)
"""


def electricity() -> pd.DataFrame:
    """One row an alternative."""
    here = Path(__file__).resolve().parent.parent
    shared = here / os.environ.get("CX_SHARED", "../shared")
    wide = pd.read_csv(shared / "oracles" / "data" / "Electricity.csv")
    parts = []
    for j in range(1, 5):
        part = wide[["id", "chid"]].assign(alt=j, chosen=(wide["choice"] == j).astype(int))
        parts.append(part.assign(**{name: wide[f"{name}{j}"] for name in TASTES}))
    return pd.concat(parts, ignore_index=True)


def ours(frame: pd.DataFrame, draws: int) -> dict[str, object]:
    """A cold fit: the program remembers fits of the same choices, which is cleared first."""
    from cxlib.choice import choice_fit, choice_model
    from cxlib.choice_logit import _fit

    _fit.cache_clear()
    asked = dict(chosen="chosen", task="chid", respondent="id", price="pf", draws=draws, starts=1)
    asked |= dict(attributes=TASTES[1:], random=dict.fromkeys(TASTES, "normal"))
    start = time.perf_counter()
    model = choice_model(frame, **asked)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "program": "cxlib",
        "draws": draws,
        "seconds": round(seconds, 2),
        "loglik": round(choice_fit(frame, **asked).effect.value, 4),
        "peak_mb": round(peak),
        "pf": round(model["pf"].value, 4),
    }


def main() -> None:
    """Ours, then the peer's."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("draws", nargs="*", type=int, default=[100, 300, 600])
    asked.add_argument("--peer", default="", help="an interpreter that has xlogit")
    told = asked.parse_args()
    frame = electricity()
    for draws in told.draws:
        print(json.dumps(ours(frame, draws)), flush=True)
    if told.peer:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.csv"
            frame.to_csv(path, index=False)
            words = [str(path), ",".join(TASTES), *map(str, told.draws)]
            subprocess.run([told.peer, "-c", PEER, *words], check=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
