"""Put the charts of a plan below each other into one SVG file that stands by itself, legible in light and dark."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from steersman.report.plan_charts import ATTRIBUTE, WIDTH, kappa_chart, order_chart, power_chart, trade_chart
from steersman.report.plan_data import PlanFigures

_PICTURE_STYLE = """
:root { --paper: #fbfbf9; --ink: #1a1f25; --muted: #59626d; --line: #d5d7d1; --accent: #0b6b70; --second: #b34d0b;
  --third: #6a4fa3; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e9e9e5; --muted: #a4adb7; --line: #3a4149; --accent: #5fc9c2; --second: #f2a566;
    --third: #bda8f2; }
}
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
.title { fill: var(--ink); font-size: 15px; font-weight: 600; }
.words { fill: var(--muted); font-size: 12px; }
"""
_MARGIN, _TITLE_HEIGHT, _GAP = 20, 40, 26


def plan_picture(plan: PlanFigures) -> str:
    """Return all charts one below the other as one SVG file that stands by itself, in light and dark."""
    charts = [
        ("Agreement on helpfulness", "left to right: no agreement to full; orange: random raters", kappa_chart),
        ("What the hours buy", "error of helpfulness labels beside the asked design's (RMSE)", trade_chart),
        ("Do labels prefer the better response?", "pairs of kept tasks, by helpfulness", order_chart),
    ]
    drawn = [
        (title, words, draw(plan.designs, name=f"plan-{place}")) for place, (title, words, draw) in enumerate(charts)
    ]
    if ATTRIBUTE in plan.power:
        chart = power_chart(plan.power[ATTRIBUTE], name="plan-power", wanted=plan.power_wanted)
        drawn.append(
            (
                "How many tasks?",
                f"half intervals, dashed of a difference; diamonds: power {plan.power_wanted:.0%}",
                chart,
            )
        )
    return _stacked([(title, words, chart) for title, words, chart in drawn if chart is not None], plan=plan)


def _stacked(charts: Sequence[tuple[str, str, Markup]], *, plan: PlanFigures) -> str:
    parts: list[str] = []
    top: float = _MARGIN + _TITLE_HEIGHT + 10
    heading = f"Plan of {plan.tasks:,} tasks"
    for title, words, chart in charts:
        height = _height(chart)
        parts += [
            f'<text class="title" x="{_MARGIN}" y="{top + 14}">{escape(title)}</text>',
            f'<text class="words" x="{_MARGIN}" y="{top + 32}">{escape(words)}</text>',
            str(chart).replace(
                "<svg ", f'<svg x="{_MARGIN}" y="{top + _TITLE_HEIGHT}" width="{WIDTH}" height="{height}" ', 1
            ),
        ]
        top += _TITLE_HEIGHT + height + _GAP
    width, bottom = WIDTH + 2 * _MARGIN, top - _GAP + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom:.0f}" width="{width}" '
            f'role="img" aria-label="{escape(heading)}, simulated">',
            f"<style>{_PICTURE_STYLE}</style>",
            f'<rect width="{width}" height="{bottom:.0f}" style="fill: var(--paper)"/>',
            f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 14}" style="font-size: 18px">{escape(heading)}</text>',
            f'<text class="words" x="{_MARGIN}" y="{_MARGIN + 34}">simulated; nobody rated anything</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _height(chart: Markup) -> float:
    """Return how high a chart is when it is as wide as the picture's column."""
    width, height = chart.split('viewBox="', 1)[1].split('"', 1)[0].split()[2:]
    return round(WIDTH * float(height) / float(width), 1)
