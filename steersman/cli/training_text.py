"""Say in a few lines what a training came to: the figures, the pairs it learnt from, and what it left out."""

from collections.abc import Mapping

# what is counted in both files, and the words for it
_LEFT_OUT = {
    "dropped_long": "longer than max_tokens and dropped",
    "dropped_equal": "of two equal responses and dropped",
    "ties": "tied",
    "not_compared": "not compared",
    "other_splits": "of another split",
}


def training_lines(result: Mapping[str, object], *, made: str) -> list[str]:
    """Return what to print of the result of a training verb; `made` says what lies where."""
    figures = ", ".join([_course(result), *_metrics(result)])
    warnings = result.get("warnings")
    notes = [f"note: {each}" for each in warnings] if isinstance(warnings, list) else []
    if result.get("best_step") == 0 and result.get("steps"):
        notes.append("note: no step was better than the start, so the start is what was kept")
    return [f"{made} ({figures})", *_pairs(result), *notes]


def _course(result: Mapping[str, object]) -> str:
    if result.get("tune_mode") != "frozen":
        return f"best step {result.get('best_step')} of {result.get('steps')}"
    # a solver has iterations, of which the last is the best
    iterations = result.get("steps")
    return f"head fitted in {iterations} iterations" if iterations else "head fitted in closed form"


def _metrics(result: Mapping[str, object]) -> list[str]:
    metrics = result.get("metrics")
    # a result that was read again has its keys in order
    return [f"{name} {value:.4f}" for name, value in sorted(metrics.items())] if isinstance(metrics, dict) else []


def _pairs(result: Mapping[str, object]) -> list[str]:
    if "train_pairs" not in result:
        return []
    counts = [f"{result['train_pairs']} to train on", f"{result.get('validation_pairs')} to validate on"]
    left_out = [f"{result[name]} {words}" for name, words in _LEFT_OUT.items() if result.get(name)]
    in_both = f"; in both files {', '.join(left_out)}" if left_out else ""
    return [f"pairs: {', '.join(counts)}{in_both}"]
