"""Make pages: Jinja templates, and Markdown of models and users as HTML that can do no harm.

Raw HTML in Markdown is shown as text, images are shown as their source (loading one would tell its host who reads
it), links open elsewhere without telling where from, and formulas become MathML. Several people read each text, so
what was made of it is kept.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from steersman.web.assets import static_path
from steersman.web.mathematics import add_formulas

# at most about 100 MB of HTML, and a tenth of that for texts of usual length
_MAX_KEPT = 1024
_MAX_KEPT_LENGTH = 20_000


def _render_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    return renderer.renderToken(tokens, index, options, env)


def _markdown_reader(*, breaks: bool) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "breaks": breaks}).enable(["table", "strikethrough"])
    reader.disable("image")
    reader.add_render_rule("link_open", _render_link)
    add_formulas(reader)
    return reader


_MARKDOWN = _markdown_reader(breaks=True)
_PAPER = _markdown_reader(breaks=False)
_LINE_START = re.compile(r"^\s*(?:#{1,6}|[-*+>]|\d+\.)\s+")


def markdown(text: str) -> Markup:
    """Return Markdown as safe HTML (the reader escapes all HTML in it); single line breaks are kept."""
    return _kept(text) if len(text) <= _MAX_KEPT_LENGTH else _rendered(text)


def paper(text: str) -> Markup:
    """Return the Markdown of a guideline as safe HTML; its lines may be wrapped anywhere."""
    return Markup(_PAPER.render(text))


def paper_line(text: str) -> Markup:
    """Return one line of a guideline as safe HTML, without the signs of headings, lists and tables around it."""
    if text.startswith("|"):
        text = ": ".join(cell.strip() for cell in text.strip("| ").split("|"))
    return Markup(_PAPER.renderInline(_LINE_START.sub("", text, count=1)))


@lru_cache(maxsize=_MAX_KEPT)
def _kept(text: str) -> Markup:
    return _rendered(text)


def _rendered(text: str) -> Markup:
    return Markup(_MARKDOWN.render(text))


def templates() -> Environment:
    """Return the site's templates; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("steersman.web"),
        autoescape=True,
        # templates do not change while a site runs; looking at their files costs more than filling them in
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": markdown, "paper": paper, "paper_line": paper_line}
    environment.globals["static"] = static_path()
    return environment
