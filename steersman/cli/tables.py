"""Results as plain tables for a terminal."""

from collections.abc import Mapping
from pathlib import Path


def agreement_text(result: Mapping[str, Mapping[str, Mapping[str, object] | None]]) -> str:
    """Return agreement figures as a table: one line per attribute and stage."""
    lines = [
        f"{'attribute':<13}{'stage':<13}{'kappa':>7}  {'95 % interval':<17}"
        f"{'alpha':>7}{'random':>8}{'tasks':>8}{'ratings':>9}"
    ]
    for attribute, stages in result.items():
        for stage, figures in stages.items():
            lines.append(f"{attribute:<13}{stage:<13}{_figures_text(figures)}")
    lines.append("random: what uniformly random raters reach under the same design and selection")
    lines.append(
        "published for HelpSteer2: helpfulness 0.465 at first, 0.706 selected, 0.791 final; other raters and rules"
    )
    return "\n".join(lines)


def clean_text(result: Mapping[str, object], *, out: Path) -> str:
    """Return what cleaning kept and dropped, each reason with its number."""
    lines = [f"{result['tasks_out']} of {result['tasks_in']} tasks kept in {out}"]
    lines += _reasons("tasks dropped", result.get("dropped"))
    lines += _reasons("ratings left out", result.get("ratings_left_out"))
    lines += _reasons("annotators not trusted", result.get("annotators_removed"))
    return "\n".join(lines)


def _reasons(what: str, counts: object) -> list[str]:
    if not isinstance(counts, Mapping) or not counts:
        return []
    return [f"{what}: " + ", ".join(f"{number} {str(reason).replace('_', ' ')}" for reason, number in counts.items())]


def _figures_text(figures: Mapping[str, object] | None) -> str:
    if figures is None:
        return "  not recorded"
    interval = figures.get("kappa_ci95")
    shown = f"[{_number(interval[0])}, {_number(interval[1])}]" if isinstance(interval, list | tuple) else "-"
    return (
        f"{_number(figures.get('kappa_quadratic')):>7}  {shown:<17}{_number(figures.get('alpha_ordinal')):>7}"
        f"{_number(figures.get('random_raters')):>8}{figures.get('tasks')!s:>8}{figures.get('ratings')!s:>9}"
    )


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
