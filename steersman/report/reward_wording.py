"""The words around a reward model's figures: what trained it, what became of ties, where its weights are from."""

from collections.abc import Sequence

from steersman.config.reward import PAIRWISE, POINTWISE
from steersman.records import GOODNESS_WEIGHTS
from steersman.report.reward_data import RankedPairs, Reliability, RewardFigures

_OBJECTIVES = {
    "regression": "regression on labels",
    "ordinal": "ordinal regression on levels",
    "categorical": "classification into levels",
    "bradley-terry": "the Bradley-Terry loss of pairs",
    "margin": "the Bradley-Terry loss of pairs with a margin",
    "scaled": "the Bradley-Terry loss of pairs, scaled by the strength of preference",
    "preference-ordinal": "ordinal regression on strengths of preference",
}
_STARTS = {
    "zero": "a head of zeros",
    "kept": "the head of the reward model it went on from",
    "probe": "a linear probe of the untrained model",
}


def reward_intro(figures: RewardFigures) -> str:
    """Say how the model was trained, what its figures are worth something beside, and how much they flatter."""
    worth = "Its accuracy is worth something above one half."
    if figures.loss_is_squared_error:
        worth = (
            "Its validation loss is worth something below the line of a predictor that always answers with the mean"
            " label; its accuracy above one half."
        )
    return " ".join([_trained_by(figures), worth, _chosen_by(figures)])


def _trained_by(figures: RewardFigures) -> str:
    # runs that name no objective knew one only
    names = [name for name, _ in figures.objectives] or ["regression"]
    words = [_OBJECTIVES.get(name, name) for name in names]
    weights = dict(figures.objectives)
    if len(words) > 1:
        words = [f"{weights[name]:g} x {word}" for name, word in zip(names, words, strict=True)]
    return f"Trained by {_listed(words)}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _chosen_by(figures: RewardFigures) -> str:
    if not figures.is_frozen:
        return (
            "Validation pairs were not trained on, but they chose which step is kept, so these figures are slightly"
            " flattering."
        )
    but = ", except for the weights of the reward" if _is_fitted(figures) else ""
    return f"A solver fitted the head to a model that stayed as it was, so validation pairs chose nothing{but}."


def _is_fitted(figures: RewardFigures) -> bool:
    return (figures.weights_source or "").startswith("fitted")


def start_words(figures: RewardFigures) -> str:
    """Return what a training started from."""
    return _STARTS.get(figures.head_start or "probe", "its start")


def tie_words(figures: RewardFigures) -> str:
    """Say what training and judging made of pairs that people called equal."""
    names = [name for name, _ in figures.objectives] or ["regression"]
    judged = (
        "Accuracy and calibration leave them out. Equal scores for two responses that people did not call equal are"
        " wrong."
    )
    return f"{_ties_in_training(names)} {judged}"


def _ties_in_training(names: Sequence[str]) -> str:
    has_labels = any(name in POINTWISE for name in names)
    if "preference-ordinal" in names:
        return "Training took a tie as a level of its own, between the two preferences."
    if any(name in PAIRWISE for name in names):
        also = "; their labels still counted" if has_labels else ""
        return f"Training by pairs left ties out{also}."
    return "Training looked at one label at a time, so ties took part like all pairs."


def reliability_words(found: Reliability) -> str:
    """Say how far the gaps are from what they claim, beside what chance alone makes of as many pairs."""
    if found.expected_error is None:
        return "The calibration error was not recorded."
    words = f"Expected calibration error {found.expected_error:.3f}"
    if found.by_chance is not None:
        words += f"; a calibrated model would show {found.by_chance:.3f} by chance"
    return words if found.brier is None else f"{words}. Brier score {found.brier:.3f}, a coin's 0.250"


def calibration_words(figures: RewardFigures) -> str:
    """Say what calibration may be expected of the objectives."""
    base = (
        "The gap of two scores, put through the sigmoid, says how likely the higher score is the preferred response."
        " Where the dots lie below the dashed line the model is too sure of itself, above it not sure enough."
    )
    if any(name in PAIRWISE for name, _ in figures.objectives):
        return base
    return f"{base} Training on labels makes gaps of levels, not of log-odds, and promises no calibration here."


def weights_words(figures: RewardFigures) -> str:
    """Say where the weights of the reward are from, and what that means for figures of the reward."""
    source = figures.weights_source
    if source is None:
        return "Where the weights are from was not recorded."
    if _is_fitted(figures):
        return f"{source[0].upper()}{source[1:]}: the figures of the reward are on the very pairs that fitted it."
    if source == "config":
        known = dict(figures.weights) == GOODNESS_WEIGHTS
        return f"Given by the configuration{': the goodness of the HelpSteer2 paper' if known else ''}."
    if source.startswith("published as helpsteer2"):
        return (
            f"{source[0].upper()}{source[1:]}, found by its authors on RewardBench: a RewardBench score by these"
            " weights is no held-out figure."
        )
    return f"{source[0].upper()}{source[1:]}."


def missing_turns(ranked: Sequence[RankedPairs]) -> str | None:
    """Say which kind of prompt no untied validation pair has; None where both are there, or neither was recorded."""
    found = {each.turns for each in ranked} - {"all"}
    if found == {"single turn"}:
        return "No validation pair without a tie has a prompt of several turns."
    if found == {"multi-turn"}:
        return "No validation pair without a tie has a prompt of one turn."
    return None
