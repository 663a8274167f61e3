"""Say in whole sentences what a plan takes for granted, so that nobody reads a simulation as a promise."""

from steersman.config.planning import PlanSettings
from steersman.report.plan_data import PilotMatch

PUBLISHED_NOTE = (
    "Published for HelpSteer2 are figures of other raters under guidelines that changed, and its rules are not all "
    "known: they show the order of magnitude, not a target."
)
RANDOM_NOTE = (
    "Random raters draw every score uniformly under the same design and selection: what they reach is no agreement at "
    "all. Selection alone lifts it, the more the more ratings there are to select from."
)


def shown(name: str) -> str:
    """Return the name of a design with an arrow for what stands for one."""
    return name.replace("->", "\u2192")


def assumptions(settings: PlanSettings, *, pilot: PilotMatch | None) -> tuple[str, ...]:
    """Return what the figures of a plan rest on, one sentence or two each."""
    return (
        "Simulated: no person rated anything and no response was read. The crowd and the responses are models "
        "(docs/planning.md), and the intervals do not cover that the models may be wrong.",
        _crowd(settings),
        *([] if pilot is None else [_pilot(pilot)]),
        _quality(settings),
        _cleaning(settings),
        f"Intervals say where one more project of {settings.tasks:,} tasks, with new responses and newly hired "
        f"annotators, would lie in 95 of 100 cases, judged by {settings.replicates} simulated ones.",
        _cost(settings),
        RANDOM_NOTE,
        PUBLISHED_NOTE,
    )


def _crowd(settings: PlanSettings) -> str:
    crowd = settings.crowd
    spammers = round(crowd.spammer_share * crowd.annotators)
    return (
        f"The crowd: {crowd.annotators} annotators, each leaning with a standard deviation of {crowd.bias_sd:g} levels "
        f"and each rating off by one of {crowd.noise_sd:g}; {100 * crowd.careless_share:g} % of ratings are given "
        f"without reading, and {spammers} annotators never read."
    )


def _pilot(pilot: PilotMatch) -> str:
    low, high = (f"{end:.2f}" if end is not None else "unknown" for end in pilot.noise_sd_ci95)
    leaning = (
        "the leaning was fitted to how far its annotators are from each other"
        if pilot.bias_fitted
        else "the leaning could not be seen in it and is the one asked for"
    )
    return (
        f"The noise was fitted so that the simulated kappa of helpfulness among the first three ratings equals the "
        f"pilot's, {pilot.first['helpfulness'].kappa:.3f} on {pilot.tasks:,} tasks; {leaning}. The pilot's own chance "
        f"allows a noise from {low} to {high}, which the intervals do not cover."
    )


def _quality(settings: PlanSettings) -> str:
    spread = settings.quality.helpfulness
    alike = settings.quality.pair_correlation
    pair = "have nothing in common" if alike == 0 else f"are alike (correlation {alike:g})"
    return (
        f"The responses: faultless annotators would give helpfulness a mean of {spread.mean:g} and a standard "
        f"deviation of {spread.sd:g}, and the other attributes theirs; the two responses of a task {pair}."
    )


def _cleaning(settings: PlanSettings) -> str:
    trust = (
        "untrusted annotators are removed, though without test questions and times, which are not simulated"
        if settings.clean.trust.enabled
        else "no annotator is removed"
    )
    return (
        f"Ratings are cleaned as `steersman clean` does: {trust}; at most {settings.clean.keep} ratings of a response "
        f"are kept, and a task goes when kept helpfulness ratings differ by more than {settings.clean.max_spread}."
    )


def _cost(settings: PlanSettings) -> str:
    words = f"Hours are an estimate: {settings.seconds_per_rating:g} seconds for each annotator and response"
    if settings.pay_per_hour is None:
        words += "; costs are not computed without a pay per hour"
    else:
        words += f", costs are hours times {settings.pay_per_hour:g}{_unit(settings.currency)} per hour"
    return f"{words}. Hiring, training, tests, reviews, pauses and fees of a platform are not in them."


def _unit(currency: str | None) -> str:
    return "" if currency is None else f" {currency}"
