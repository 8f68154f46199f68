"""cxlib: hold survey and behaviour data against published customer-experience claims.

The public names load when they are first used, so importing cxlib costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agreement import agreement, agreement_by_category, agreement_test
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
    from .drivers import drivers, rank_stability, variance_explained
    from .drivers_action import action_table, importance_agreement, stated_importance
    from .effects import effect_size, standardised_difference, tost, tost_means, two_means
    from .errors import CxError
    from .estimate import mean, nps, quantile, ratio, share, shares, top_box, total
    from .experience import (
        conditional_share,
        expectation_disconfirmation,
        good_service_bad_product,
        interaction,
        peak_end,
        peak_end_test,
        weakest_link,
    )
    from .experience_factors import cfa, cfa_fit, cfa_test
    from .experience_gain import incremental_prediction
    from .experience_polite import anchoring_vignettes, list_experiment, mode_effect, vignette_scale
    from .experience_recovery import e_value, recovery_paradox, recovery_verdict
    from .experience_validity import discriminant_validity, reliability
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
    from .survival import median_time, restricted_mean, retention_curve
    from .survival_causes import competing_risks
    from .survival_cumulative import cumulative_hazard
    from .survival_hazard import concordance, hazard_ratio, hazard_test, proportionality
    from .survival_logrank import logrank
    from .survival_weibull import time_ratio, time_ratio_test
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
    from .training import clustered_regression, did, did_test
    from .training_before import before_after, regression_to_mean
    from .training_events import event_study, pretrends
    from .training_groups import group_time_effects
    from .training_visits import variance_components, visit_reliability, visits_needed
    from .verdict import Comparison, Test
    from .weighting import calibrate, design_effect, n_kish, poststratify, rake, trim

_HOMES = {
    "agreement": ("agreement", "agreement_by_category", "agreement_test"),
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
    "drivers": ("drivers", "rank_stability", "variance_explained"),
    "drivers_action": ("action_table", "importance_agreement", "stated_importance"),
    "effects": ("effect_size", "standardised_difference", "tost", "tost_means", "two_means"),
    "errors": ("CxError",),
    "estimate": ("mean", "nps", "quantile", "ratio", "share", "shares", "top_box", "total"),
    "experience": (
        "conditional_share",
        "expectation_disconfirmation",
        "good_service_bad_product",
        "interaction",
        "peak_end",
        "peak_end_test",
        "weakest_link",
    ),
    "experience_factors": ("cfa", "cfa_fit", "cfa_test"),
    "experience_gain": ("incremental_prediction",),
    "experience_polite": (
        "anchoring_vignettes",
        "list_experiment",
        "mode_effect",
        "vignette_scale",
    ),
    "experience_recovery": ("e_value", "recovery_paradox", "recovery_verdict"),
    "experience_validity": ("discriminant_validity", "reliability"),
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
    "survival": ("median_time", "restricted_mean", "retention_curve"),
    "survival_causes": ("competing_risks",),
    "survival_cumulative": ("cumulative_hazard",),
    "survival_hazard": ("concordance", "hazard_ratio", "hazard_test", "proportionality"),
    "survival_logrank": ("logrank",),
    "survival_weibull": ("time_ratio", "time_ratio_test"),
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
    "training": ("clustered_regression", "did", "did_test"),
    "training_before": ("before_after", "regression_to_mean"),
    "training_events": ("event_study", "pretrends"),
    "training_groups": ("group_time_effects",),
    "training_visits": ("variance_components", "visit_reliability", "visits_needed"),
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
