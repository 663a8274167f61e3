"""Results as plain tables for a terminal."""

from collections.abc import Mapping


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
    return "\n".join(lines)


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
