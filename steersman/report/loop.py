"""Draw the loop: its stages as boxes, its tables as arrows with their counts. A wide picture and one for phones.

The reward model and the alignment both learn from the cleaned dataset; the evaluation brings them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steersman.report.data import STAGES, LoopCounts
from steersman.report.run_data import RunReport

_TITLES = {
    "prompts": "Prompts",
    "responses": "Responses",
    "ratings": "Annotation",
    "clean": "Cleaning",
    "reward": "Reward model",
    "align": "Alignment",
    "evaluate": "Evaluation",
}


@dataclass(frozen=True, slots=True)
class _Box:
    """The place of a stage in a picture: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Arrow:
    """A polyline and where its words go; `anchor` is SVG's text-anchor."""

    path: str
    x: float
    y: float
    words: tuple[int | None, str] | None
    anchor: str = "middle"


def wide_loop(run: RunReport, *, times: dict[str, str]) -> Markup:
    """Return the picture for wide screens; `times` gives words for how long a stage took."""
    lefts, top, middle, bottom = (2, 182, 366, 546, 772, 974), 20, 82, 144
    width, fork_width, height = 104, 122, 56
    places = [(left, middle, width) for left in lefts[:4]]
    places += [(lefts[4], top, fork_width), (lefts[4], bottom, fork_width), (lefts[5], middle, width)]
    boxes = dict(zip(STAGES, (_Box(x, y, wide, height) for x, y, wide in places), strict=True))
    centre, fork = middle + height / 2, lefts[3] + width + 26
    counts = run.counts
    arrows = [
        _flat(lefts[0] + width, lefts[1], centre, (counts.prompts, "prompts")),
        _flat(lefts[1] + width, lefts[2], centre, (counts.responses, "responses")),
        _flat(lefts[2] + width, lefts[3], centre, (counts.ratings, "ratings")),
    ]
    for y, words in ((top + height / 2, (counts.kept_tasks, "kept tasks")), (bottom + height / 2, _pairs(counts))):
        path = f"M{lefts[3] + width} {centre} H{fork} V{y} H{lefts[4] - 4}"
        arrows.append(_Arrow(path, (fork + lefts[4]) / 2, y, words))
    end, last = lefts[4] + fork_width, lefts[5] + width / 2
    arrows.append(
        _Arrow(f"M{end} {top + 28} H{last} V{middle - 4}", (end + last) / 2, top + 28, (counts.rewards, "rewards"))
    )
    arrows.append(_Arrow(f"M{end} {bottom + 28} H{last} V{middle + height + 4}", (end + last) / 2, bottom + 28, None))
    back = f"M{last + 30} {middle + height} V244 H{lefts[0] + width / 2} V{middle + height + 4}"
    return _picture(run, boxes=boxes, arrows=arrows, back=(back, 500, 238), size=(1080, 256), times=times)


def tall_loop(run: RunReport, *, times: dict[str, str]) -> Markup:
    """Return the picture for phones; `times` as in `wide_loop`."""
    width, height, step, left = 140.0, 50.0, 96.0, 105.0
    boxes = {name: _Box(left, 4 + step * row, width, height) for row, name in enumerate(STAGES[:4])}
    fork = 4 + step * 3 + height
    boxes["reward"] = _Box(24, fork + 62, width, height)
    boxes["align"] = _Box(194, fork + 62, width, height)
    boxes["evaluate"] = _Box(left, fork + 62 + height + 52, width, height)
    counts, centre = run.counts, left + width / 2
    arrows = []
    for row, words in enumerate(
        ((counts.prompts, "prompts"), (counts.responses, "responses"), (counts.ratings, "ratings"))
    ):
        y = 4 + step * row + height
        arrows.append(_Arrow(f"M{centre} {y} V{y + step - height - 4}", centre + 12, y + 22, words, "start"))
    for name, words, anchor in (
        ("reward", (counts.kept_tasks, "kept tasks"), "end"),
        ("align", _pairs(counts), "start"),
    ):
        x = boxes[name].x + width / 2
        side = x - 10 if anchor == "end" else x + 10
        arrows.append(_Arrow(f"M{centre} {fork} V{fork + 18} H{x} V{fork + 58}", side, fork + 38, words, anchor))
    under, last = fork + 62 + height, boxes["evaluate"]
    x, y = boxes["reward"].x + width / 2, last.y + height / 2
    path = f"M{x - 20} {under} V{y} H{last.x - 4}"
    arrows.append(_Arrow(path, x - 30, under + 22, (counts.rewards, "rewards"), "end"))
    arrows.append(_Arrow(f"M{boxes['align'].x + 90} {under} V{y} H{last.x + width + 4}", 0, 0, None))
    back = f"M{centre} {last.y + height} V{last.y + height + 18} H6 V{4 + height / 2} H{left - 4}"
    place = (back, centre + 70, last.y + height + 22)
    return _picture(run, boxes=boxes, arrows=arrows, back=place, size=(340, last.y + height + 32), times=times)


def _pairs(counts: LoopCounts) -> tuple[int | None, str]:
    return counts.pairs, "pairs"


def _flat(start: float, end: float, y: float, words: tuple[int | None, str]) -> _Arrow:
    return _Arrow(f"M{start} {y} H{end - 4}", (start + end) / 2 - 2, y, words)


def _picture(
    run: RunReport,
    *,
    boxes: dict[str, _Box],
    arrows: Sequence[_Arrow],
    back: tuple[str, float, float],
    size: tuple[float, float],
    times: dict[str, str],
) -> Markup:
    parts = [Markup('<path class="back" d="{}"/>').format(back[0])]
    parts.append(Markup('<text class="noun" x="{}" y="{}">next round</text>').format(back[1], back[2]))
    parts += [_arrow(arrow) for arrow in arrows]
    parts += [_box(name, box, is_there=name in run.stages, note=times.get(name)) for name, box in boxes.items()]
    head = Markup('<svg class="loop" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(*size, _words(run))
    return head + Markup("").join(parts) + Markup("</svg>")


def _arrow(arrow: _Arrow) -> Markup:
    line = Markup('<path class="arrow" d="{}"/>').format(arrow.path) + _head(arrow.path)
    if arrow.words is None:
        return line
    count, noun = arrow.words
    shown = "\u2013" if count is None else f"{count:,}"
    text = Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>')
    return (
        line
        + text.format("count", arrow.x, arrow.y - 7, arrow.anchor, shown)
        + text.format("noun", arrow.x, arrow.y + 16, arrow.anchor, noun)
    )


def _head(path: str) -> Markup:
    """Return a small triangle at the end of a path of absolute M, H and V steps."""
    x = y = 0.0
    turn = 0
    for step in path.split():
        if step[0] == "M":
            x = float(step[1:])
        elif step[0] == "H":
            turn, x = (0 if float(step[1:]) > x else 180), float(step[1:])
        elif step[0] == "V":
            turn, y = (90 if float(step[1:]) > y else 270), float(step[1:])
        else:
            y = float(step)
    return Markup('<path class="head" d="M0 0 L-8 -4.5 L-8 4.5 Z" transform="translate({} {}) rotate({})"/>').format(
        x + (4 if turn == 0 else -4 if turn == 180 else 0), y + (4 if turn == 90 else -4 if turn == 270 else 0), turn
    )


def _box(name: str, box: _Box, *, is_there: bool, note: str | None) -> Markup:
    text = Markup('<text class="{}" x="{}" y="{}">{}</text>')
    middle = box.x + box.width / 2
    return (
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="9"/>').format(
            "stage" if is_there else "stage absent", box.x, box.y, box.width, box.height
        )
        + text.format("title", middle, box.y + box.height / 2 - 3, _TITLES[name])
        + text.format("noun", middle, box.y + box.height / 2 + 15, (note or "done") if is_there else "not in this run")
    )


def _words(run: RunReport) -> str:
    named = (
        (run.counts.prompts, "prompts"),
        (run.counts.responses, "responses"),
        (run.counts.ratings, "ratings"),
        (run.counts.kept_tasks, "kept tasks"),
        (run.counts.pairs, "pairs"),
        (run.counts.rewards, "rewards"),
    )
    words = ", ".join(f"{count:,} {noun}" for count, noun in named if count is not None)
    return f"The loop from prompts to evaluation and back: {words}."
