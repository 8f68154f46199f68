"""cxlib: hold survey and behaviour data against published customer-experience claims.

The public names load when they are first used, so importing cxlib costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark import Benchmark, benchmark, benchmarks
    from .choice import choice_fit, choice_model, choice_wtp
    from .claims import claim, claims
    from .codebook import Codebook, Question, questionnaire
    from .compare import compare
    from .contingent import contingent_valuation
    from .contingent_curve import wtp_survival
    from .contingent_wtp import wtp_mean, wtp_median, wtp_ratio
    from .counts import (
        exact_test,
        score_test,
        tost_proportions,
        two_proportions,
        two_proportions_test,
    )
    from .counts_shares import multinomial_proportions, one_proportion
    from .counts_tables import (
        cochran_mantel_haenszel,
        equal_proportions,
        fisher_test,
        homogeneous_odds,
        pairwise_proportions,
        trend_test,
    )
    from .effects import effect_size, standardised_difference, tost, tost_means, two_means
    from .errors import CxError
    from .estimate import mean, nps, quantile, ratio, share, shares, top_box, total
    from .hypothesis import benjamini_hochberg, holm, hypothesis, t_test
    from .linear import difference
    from .loyalty import (
        excess_loss,
        leave_after_one,
        leaving_risk,
        loyalty_loss,
        reason_contrast,
        revenue_at_risk,
    )
    from .multiplicity import p_adjust
    from .page import facts
    from .paired import homogeneity, marginal_homogeneity, mcnemar, symmetry
    from .plan import claims_power, plan, power, sample_size
    from .plots import missing_map, plot, show
    from .power import (
        cohen_h,
        power_effect,
        power_t,
        power_two_shares,
        sample_size_effect,
        sample_size_for_width,
        sample_size_nps,
        sample_size_t,
        sample_size_two_shares,
    )
    from .premium import (
        buyers_by_premium,
        hypothetical_bias,
        premium_floor_mean,
        premium_mean,
        premium_median,
        premium_share_sensitivity,
        stated_premium,
    )
    from .pricing import (
        PriceCurves,
        PricePoint,
        best_price,
        demand_curve,
        price_curves,
        price_sensitivity,
        revenue_curve,
        trial_curve,
    )
    from .quality import (
        duplicates,
        missing_reasons,
        missingness,
        speeding,
        straight_lining,
        weights,
    )
    from .read import read_survey
    from .regression import log_likelihood, regression, regression_test
    from .replicates import bootstrap_nps, bootstrap_ratio, make_replicates, with_replicates
    from .result import Curve, Estimate, Ranking
    from .scorecard import scorecard
    from .study import Study, open_study
    from .survey import Design, Survey
    from .tables import cells, independence
    from .tables_plain import (
        chisq_test,
        expected_counts,
        kruskal_test,
        standardised_residuals,
        wilcoxon_test,
    )
    from .tables_ranks import rank_test
    from .tipping import simple_fraction, tipping_curve
    from .verdict import Comparison, Test
    from .weighting import calibrate, design_effect, n_kish, poststratify, rake, trim

_HOMES = {
    "benchmark": ("Benchmark", "benchmark", "benchmarks"),
    "choice": ("choice_fit", "choice_model", "choice_wtp"),
    "claims": ("claim", "claims"),
    "codebook": ("Codebook", "Question", "questionnaire"),
    "compare": ("compare",),
    "contingent": ("contingent_valuation",),
    "contingent_curve": ("wtp_survival",),
    "contingent_wtp": ("wtp_mean", "wtp_median", "wtp_ratio"),
    "counts": (
        "exact_test",
        "score_test",
        "tost_proportions",
        "two_proportions",
        "two_proportions_test",
    ),
    "counts_shares": ("multinomial_proportions", "one_proportion"),
    "counts_tables": (
        "cochran_mantel_haenszel",
        "equal_proportions",
        "fisher_test",
        "homogeneous_odds",
        "pairwise_proportions",
        "trend_test",
    ),
    "effects": ("effect_size", "standardised_difference", "tost", "tost_means", "two_means"),
    "errors": ("CxError",),
    "estimate": ("mean", "nps", "quantile", "ratio", "share", "shares", "top_box", "total"),
    "hypothesis": ("benjamini_hochberg", "holm", "hypothesis", "t_test"),
    "linear": ("difference",),
    "loyalty": (
        "excess_loss",
        "leave_after_one",
        "leaving_risk",
        "loyalty_loss",
        "reason_contrast",
        "revenue_at_risk",
    ),
    "multiplicity": ("p_adjust",),
    "page": ("facts",),
    "paired": ("homogeneity", "marginal_homogeneity", "mcnemar", "symmetry"),
    "plan": ("claims_power", "plan", "power", "sample_size"),
    "plots": ("missing_map", "plot", "show"),
    "power": (
        "cohen_h",
        "power_effect",
        "power_t",
        "power_two_shares",
        "sample_size_effect",
        "sample_size_for_width",
        "sample_size_nps",
        "sample_size_t",
        "sample_size_two_shares",
    ),
    "premium": (
        "buyers_by_premium",
        "hypothetical_bias",
        "premium_floor_mean",
        "premium_mean",
        "premium_median",
        "premium_share_sensitivity",
        "stated_premium",
    ),
    "pricing": (
        "PriceCurves",
        "PricePoint",
        "best_price",
        "demand_curve",
        "price_curves",
        "price_sensitivity",
        "revenue_curve",
        "trial_curve",
    ),
    "quality": (
        "duplicates",
        "missing_reasons",
        "missingness",
        "speeding",
        "straight_lining",
        "weights",
    ),
    "read": ("read_survey",),
    "regression": ("log_likelihood", "regression", "regression_test"),
    "replicates": ("bootstrap_nps", "bootstrap_ratio", "make_replicates", "with_replicates"),
    "result": ("Curve", "Estimate", "Ranking"),
    "scorecard": ("scorecard",),
    "study": ("Study", "open_study"),
    "survey": ("Design", "Survey"),
    "tables": ("cells", "independence"),
    "tables_plain": (
        "chisq_test",
        "expected_counts",
        "kruskal_test",
        "standardised_residuals",
        "wilcoxon_test",
    ),
    "tables_ranks": ("rank_test",),
    "tipping": ("simple_fraction", "tipping_curve"),
    "verdict": ("Comparison", "Test"),
    "weighting": ("calibrate", "design_effect", "n_kish", "poststratify", "rake", "trim"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cxlib' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """The package itself: a module that is imported never hides the function of the same name.

    ``cxlib.compare`` is the function, whether or not the module ``cxlib/compare.py`` was imported
    before; ``from cxlib.compare import …`` reaches the module.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
