"""Turn a matplotlib figure into inline SVG that takes its colours and fonts from the page.

Figures are drawn in stand-in colours; each becomes a CSS variable, so that one picture is legible in light and dark.
The same figure gives the same bytes: no date, a fixed salt, matplotlib's own defaults whatever the user's settings.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE = "#000001", "#000002", "#000003"
ACCENT, SECOND, THIRD, PAPER = "#000004", "#000005", "#000006", "#000007"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
    PAPER: "var(--paper)",
}
FONT_SIZE = 12
_POINTS_PER_INCH = 72
_REFERENCE = re.compile(r"#([\w-]+)")
_STAND_IN = re.compile("|".join(_VARIABLES))
_FONT = re.compile(r"font(?:-family|-size|-weight)?:[^;]*;?\s*")


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the page's settings inside the block, and leave the process's own as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc("svg", fonttype="none", hashsalt="steersman")
        matplotlib.rc("font", size=FONT_SIZE)
        # names come from a run's files: a dollar sign in one is no formula
        matplotlib.rc("text", color=INK, parse_math=False)
        matplotlib.rc("axes", edgecolor=LINE, labelcolor=MUTED, linewidth=1.0, grid=True, axisbelow=True)
        matplotlib.rc("axes.spines", top=False, right=False)
        matplotlib.rc("grid", color=LINE, linewidth=0.8)
        matplotlib.rc("lines", linewidth=2.0)
        matplotlib.rc("xtick", color=LINE, labelcolor=MUTED)
        matplotlib.rc("ytick", color=LINE, labelcolor=MUTED)
        matplotlib.rc("xtick.major", size=0.0)
        matplotlib.rc("ytick.major", size=0.0)
        matplotlib.rc("figure.constrained_layout", use=True)
        yield


def new_figure(width: int, height: int) -> tuple[Figure, Axes]:
    """Return a figure of that many units (CSS pixels at full size) with one pair of axes."""
    figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH))
    return figure, figure.add_subplot()


def to_svg(figure: Figure, *, name: str, label: str) -> Markup:
    """Return `figure` as an `<svg>` element that scales to its box.

    `name` must be unique on the page: the ids inside begin with it. `label` tells the content to who cannot see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _strip_metadata(root)
    used = {
        found for element in root.iter() for value in element.attrib.values() for found in _REFERENCE.findall(value)
    }
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        element.attrib = _page_attributes(element.attrib, name=name, used=used)
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "chart", "role": "img", "aria-label": label}
    # serialised by the library, so its texts are escaped
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _strip_metadata(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            # the style sheet inside would reach the whole page; report.css holds its one rule
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)


def _page_attributes(attributes: dict[str, str], *, name: str, used: set[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for key, value in attributes.items():
        plain = key.partition("}")[2] or key
        if plain == "id":
            if value in used:
                result["id"] = f"{name}-{value}"
            continue
        if plain in ("href", "clip-path"):
            value = value.replace("#", f"#{name}-")
        if plain == "style":
            value = _STAND_IN.sub(lambda found: _VARIABLES[found.group()], _with_font_size(value))
        result[plain] = value
    return result


def _with_font_size(style: str) -> str:
    size = re.search(r"font:[^;]*?([\d.]+)px|font-size:\s*([\d.]+)px", style)
    if size is None:
        return style
    weight = "font-weight: 600; " if re.search(r"\b(?:600|700|bold)\b", style) else ""
    return f"{weight}font-size: {size.group(1) or size.group(2)}px; {_FONT.sub('', style)}"
