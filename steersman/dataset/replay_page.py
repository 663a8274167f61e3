"""Write what a replay of HelpSteer2 found as Markdown and for JSON, each figure beside the published one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from steersman.dataset.published import COLUMNS, KAPPA, PublishedColumn, PublishedStage
from steersman.dataset.replay import KappaPair, Replay
from steersman.dataset.statistics import Column
from steersman.records import ATTRIBUTES

PUBLISHED_LIST_ROWS = 23_652
PUBLISHED_ROWS = {"train": 20_324, "validation": 1_038}
_STAGES: dict[str, tuple[str, PublishedStage]] = {
    "all_rows": ("all rows", "after_improvements"),
    "released_rows": ("rows of released tasks", "post_processing"),
}


@dataclass(frozen=True, slots=True)
class ReplayFacts:
    """A replay with what it was made from; `replay` is None where the data holds no rating lists."""

    source: str
    rows: Mapping[str, int]
    released: Mapping[str, Column]
    replay: Replay | None
    notes: tuple[str, ...]


def replay_json(facts: ReplayFacts) -> dict[str, object]:
    """Return the figures for `--json`: a difference is always ours less the published one, null where either is."""
    found = facts.replay
    rows = {**facts.rows, "lists": sum(found.list_lengths.values()) if found else None}
    published = {**PUBLISHED_ROWS, "lists": PUBLISHED_LIST_ROWS}
    return {
        "source": facts.source,
        "rows": {name: {"found": rows[name], "published": number} for name, number in published.items()},
        "labels": None if found is None else _labels_json(found),
        "tasks": None if found is None else {**asdict(found.tasks), "dropped": dict(found.dropped)},
        "lists": None
        if found is None
        else {
            "lengths": {str(length): number for length, number in found.list_lengths.items()},
            "left_out": found.left_out,
            "only_released": found.only_released,
        },
        "kappa": None if found is None else {name: _kappa_json(found, name) for name in ATTRIBUTES},
        "columns": {name: _column_json(facts, name) for name in COLUMNS},
        "notes": list(facts.notes),
    }


def _labels_json(found: Replay) -> dict[str, object]:
    return {
        name: {
            "rows": match.rows,
            "identical": match.identical,
            "share": match.identical / match.rows if match.rows else None,
            "by_difference": {f"{size:+d}": number for size, number in match.by_difference.items() if size},
        }
        for name, match in found.labels.items()
    }


def _kappas(found: Replay, attribute: str) -> dict[str, KappaPair]:
    return {"all_rows": found.kappa_all[attribute], "released_rows": found.kappa_released[attribute]}


def _kappa_json(found: Replay, attribute: str) -> dict[str, object]:
    return {
        rows: {
            **asdict(pair),
            "published": KAPPA[attribute][_STAGES[rows][1]],
            "difference": _less(pair.selected, KAPPA[attribute][_STAGES[rows][1]]),
        }
        for rows, pair in _kappas(found, attribute).items()
    }


def _less(ours: float | None, published: float) -> float | None:
    return None if ours is None else ours - published


def _column_json(facts: ReplayFacts, name: str) -> dict[str, object]:
    published = COLUMNS[name]
    sides = {"released": facts.released[name], "replayed": facts.replay.columns[name] if facts.replay else None}
    return {
        "published": asdict(published),
        **{side: None if column is None else asdict(column) for side, column in sides.items()},
        **{
            f"{side}_difference": None if column is None else _column_less(column, published)
            for side, column in sides.items()
        },
    }


def _column_less(column: Column, published: PublishedColumn) -> dict[str, float | None]:
    return {
        "mean": column.mean - published.mean,
        "std": column.std - published.std,
        "pearson": _less(column.pearson, published.pearson),
    }


def replay_page(facts: ReplayFacts) -> str:
    """Return the figures as a Markdown page."""
    lines = [
        f"# Replay of {facts.source}",
        "",
        "Our rules of cleaning on the rating lists that HelpSteer2 released, beside its released labels and the",
        "figures of its paper (arXiv:2406.08673). A difference is ours less the published figure.",
        "",
        *(f"- {note}" for note in facts.notes),
        *([""] if facts.notes else []),
        *_rows_lines(facts),
    ]
    if facts.replay is not None:
        lines += [*_label_lines(facts.replay), *_task_lines(facts.replay), *_kappa_lines(facts.replay)]
    return "\n".join([*lines, *_column_lines(facts)])


def _rows_lines(facts: ReplayFacts) -> list[str]:
    lists = sum(facts.replay.list_lengths.values()) if facts.replay else "none"
    found = {**facts.rows, "lists": lists}
    published = {**PUBLISHED_ROWS, "lists": PUBLISHED_LIST_ROWS}
    lines = ["## Rows", "", "| | found | published |", "|---|---|---|"]
    lines += [f"| {name} | {found[name]} | {number} |" for name, number in published.items()]
    if facts.replay is not None:
        lengths = ", ".join(f"{number} of {length}" for length, number in facts.replay.list_lengths.items())
        lines += ["", f"Rows by the length of their list of helpfulness: {lengths}."]
        lines += [f"Left out, because their lists differ in length: {facts.replay.left_out}."]
        lines += [f"Released rows without a list: {facts.replay.only_released}."]
    return [*lines, ""]


def _label_lines(found: Replay) -> list[str]:
    lines = ["## Labels", "", "| | rows in both | identical | share | ours less theirs |", "|---|---|---|---|---|"]
    for name, match in found.labels.items():
        share = f"{match.identical / match.rows:.4f}" if match.rows else "-"
        sizes = ", ".join(f"{size:+d}: {number}" for size, number in match.by_difference.items() if size)
        lines.append(f"| {name} | {match.rows} | {match.identical} | {share} | {sizes or 'none'} |")
    return [*lines, ""]


def _task_lines(found: Replay) -> list[str]:
    tasks = found.tasks
    dropped = ", ".join(f"{number} for {reason.replace('_', ' ')}" for reason, number in found.dropped.items())
    return [
        "## Tasks",
        "",
        "| | kept by the release | removed by the release |",
        "|---|---|---|",
        f"| kept by us | {tasks.both} | {tasks.ours_only} |",
        f"| removed by us | {tasks.theirs_only} | {tasks.neither} |",
        "",
        f"Removed by us: {dropped or 'none'}.",
        "",
    ]


def _kappa_lines(found: Replay) -> list[str]:
    lines = [
        "## Agreement",
        "",
        "Quadratic kappa over all pairs of ratings of a response: of the lists as they came, and of the ratings that",
        "our selection leaves. Published beside all rows: 'after improvements'; beside released tasks:",
        "'post-processing'.",
        "",
        "| | rows | lists | selected | published | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name in ATTRIBUTES:
        for rows, pair in _kappas(found, name).items():
            words, stage = _STAGES[rows]
            published = KAPPA[name][stage]
            cells = [_shown(pair.lists, 3), _shown(pair.selected, 3), f"{published:.3f}"]
            difference = _signed(_less(pair.selected, published), 3)
            lines.append(f"| {name} | {words} | {' | '.join(cells)} | {difference} |")
    return [*lines, ""]


def _column_lines(facts: ReplayFacts) -> list[str]:
    lines = [
        "## Statistics",
        "",
        "Released: of the released labels. Replayed: of the labels we make from the lists.",
        "",
        "| | | published | released | difference | replayed | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, published in COLUMNS.items():
        replayed = facts.replay.columns[name] if facts.replay else None
        for figure in ("mean", "std", "pearson"):
            target = getattr(published, figure)
            sides = [None if column is None else getattr(column, figure) for column in (facts.released[name], replayed)]
            cells = [cell for side in sides for cell in (_shown(side, 4), _signed(_less(side, target), 4))]
            lines.append(f"| {name.replace('_', ' ')} | {figure} | {target:.4f} | {' | '.join(cells)} |")
    return [*lines, ""]


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"
