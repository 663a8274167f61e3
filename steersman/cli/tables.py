"""Results as plain tables for a terminal."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

_WIDTH = 100

_ORDERS = {
    "time": "the first three ratings of a response by created_at",
    "rows": "the first three ratings of a response by their place in the file, for want of times",
    "list": "the first three of each list",
    "selected": "the lists hold ratings that were selected already",
}


def agreement_text(result: Mapping[str, Mapping[str, Mapping[str, object] | None]]) -> str:
    """Return agreement figures as a table: one line per attribute and stage."""
    lines = [
        f"{'attribute':<13}{'stage':<13}{'kappa':>7}  {'95 % interval':<17}"
        f"{'alpha':>7}{'random':>8}{'tasks':>8}{'ratings':>9}"
    ]
    for attribute, stages in result.items():
        for stage, figures in stages.items():
            lines.append(f"{attribute:<13}{stage:<13}{_figures_text(figures)}")
    lines.append(f"first_three: {_order_text(result)}")
    lines.append("random: what uniformly random raters reach under the same design and selection")
    lines.append(
        _folded(
            "published for HelpSteer2: helpfulness 0.465 at first, 0.706 selected, 0.791 final; other raters and rules"
        )
    )
    return "\n".join(lines)


def annotators_text(result: Mapping[str, object]) -> str:
    """Return one line per annotator, least agreeing first, and the mean agreement of two of them by attribute."""
    people, summary = result["annotators"], result["pairs_summary"]
    rows = [row for row in people if isinstance(row, Mapping)] if isinstance(people, list) else []
    lines = [
        f"{'annotator':<23}{'responses':>10}{'kappa':>8}{'bias':>8}{'spread':>8}{'constant':>10}{'seconds':>9}{'speed':>7}"
        "  not trusted for"
    ]
    lines += [_annotator_text(row) for row in sorted(rows, key=_least_agreeing)]
    lines.append(
        _folded(
            "kappa: with the others, mean of the attributes; bias and spread: of helpfulness; speed: time over the"
            " others'"
        )
    )
    for attribute, figures in summary.items() if isinstance(summary, Mapping) else ():
        if isinstance(figures, Mapping):
            lines.append(f"two annotators, {attribute}: {_pairs_text(figures, found=_num_kappas(result, attribute))}")
    return "\n".join(lines)


def _num_kappas(result: Mapping[str, object], attribute: str) -> int:
    pairs = result["pairs"]
    rows = [row for row in pairs if isinstance(row, Mapping)] if isinstance(pairs, list) else []
    return sum(row.get(attribute) is not None for row in rows)


def _pairs_text(figures: Mapping[str, object], *, found: int) -> str:
    text = f"mean kappa {_number(figures['mean_kappa'])}, {found} pairs; {figures['too_few']} share too few responses"
    return text if figures["undefined"] == 0 else f"{text}; {figures['undefined']} undefined"


def _least_agreeing(row: Mapping[str, object]) -> float:
    agreement = row.get("agreement")
    return agreement if isinstance(agreement, float) else 2.0


def _annotator_text(row: Mapping[str, object]) -> str:
    responses = row.get("responses")
    return (
        f"{str(row.get('annotator'))[:22]:<23}{'-' if responses is None else str(responses):>10}"
        f"{_number(row.get('agreement')):>8}{_number(row.get('bias_helpfulness')):>8}"
        f"{_number(row.get('spread_helpfulness')):>8}{_number(row.get('constant_share')):>10}"
        f"{_number(row.get('seconds')):>9}{_number(row.get('speed_ratio')):>7}"
        f"  {str(row.get('reason') or '').removeprefix('annotator_').replace('_', ' ')}"
    ).rstrip()


def clean_text(result: Mapping[str, object], *, out: Path) -> str:
    """Return what cleaning kept and dropped, each reason with its number."""
    lines = [f"{result['tasks_out']} of {result['tasks_in']} tasks kept in {out}"]
    lines += _reasons("tasks dropped", result.get("dropped"))
    lines += _reasons("ratings left out", result.get("ratings_left_out"))
    removed = result.get("annotators_removed")
    if isinstance(removed, Mapping):
        lines += _reasons(
            "annotators not trusted", {str(name).removeprefix("annotator_"): number for name, number in removed.items()}
        )
    lines += _preferences_text(result.get("preferences"))
    ignored = result.get("ignored_columns")
    if isinstance(ignored, list) and ignored:
        lines.append(f"columns of the ratings that are ignored: {', '.join(map(str, ignored))}")
    return "\n".join(lines)


def _preferences_text(counts: object) -> list[str]:
    if not isinstance(counts, Mapping):
        return []
    lines = [f"{counts['tasks_out']} of {counts['tasks_in']} tasks with preferences kept"]
    lines += _reasons("their tasks dropped", counts["dropped"])
    return lines + _reasons("strengths left out", counts["ratings_left_out"])


def replay_text(result: Mapping[str, object], *, page: Path) -> str:
    """Return how many released labels ours are identical with, by attribute, and where the whole comparison is."""
    labels = result["labels"]
    lines = [
        f"{attribute}: {match['identical']} of {match['rows']} released labels met"
        for attribute, match in (labels.items() if isinstance(labels, Mapping) else ())
    ]
    return "\n".join([*lines, f"The comparison is in {page}"])


def _order_text(result: Mapping[str, Mapping[str, Mapping[str, object] | None]]) -> str:
    figures = next(iter(result.values()))["first_three"]
    return _ORDERS["selected" if figures is None else str(figures["order"])]


def _reasons(what: str, counts: object) -> list[str]:
    if not isinstance(counts, Mapping) or not counts:
        return []
    words = ", ".join(f"{number} {str(reason).replace('_', ' ')}" for reason, number in counts.items())
    return [_folded(f"{what}: {words}")]


def _folded(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False)


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
