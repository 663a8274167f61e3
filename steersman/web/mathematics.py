r"""LaTeX formulas in Markdown, shown as MathML that can do no harm.

Formulas stand in `$..$` and `\(..\)` inside a line, in `$$..$$` and `\[..\]` by themselves. What latex2mathml makes
of them is copied element by element from a list of those allowed, with all text escaped; whatever cannot be read, or
would bring in anything else, is shown as its source.
"""

import re
from html import escape
from xml.etree.ElementTree import Element

from latex2mathml import converter, exceptions
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# how far the end of a formula is looked for; a text of nothing but beginnings must not take long
_MAX_LENGTH = 2000
_MAX_LINES = 60
_ELEMENT = re.compile(
    "math|mrow|mi|mn|mo|ms|mtext|mspace|mfrac|msqrt|mroot|mstyle|mpadded|mphantom|menclose|msub|msup|msubsup|munder|"
    "mover|munderover|mmultiscripts|mprescripts|none|mtable|mtr|mlabeledtr|mtd"
)
_ATTRIBUTE = re.compile(
    "accent|accentunder|columnalign|columnlines|columnspacing|depth|display|displaystyle|fence|form|height|largeop|"
    "linethickness|lspace|mathcolor|mathsize|mathvariant|maxsize|minsize|movablelimits|notation|rowlines|rowspacing|"
    "rspace|scriptlevel|separator|stretchy|symmetric|width"
)
# lengths, names and colours: nothing that an address or a style could be made of
_VALUE = re.compile(r"[A-Za-z0-9#.% +-]{1,80}")
_ENTITY = re.compile(r"&#x([0-9A-Fa-f]{1,6});")
# macros could grow without end
_DEFINITIONS = re.compile(r"\\(?:newcommand|renewcommand|providecommand|def|let|DeclareMathOperator|newenvironment)")
_BROKEN_LATEX: tuple[type[Exception], ...] = (
    *(kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
_BLOCK_ENDS = {"$$": "$$", "\\[": "\\]"}
_INLINE_ENDS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}


def formula(latex: str, *, display: str) -> str | None:
    """Return a formula as MathML, None when it cannot be read; `display` is `inline` or `block`."""
    if len(latex) > _MAX_LENGTH or _DEFINITIONS.search(latex):
        return None
    try:
        return _copied(converter.Converter(display=display).convert_to_element(latex))
    except _BROKEN_LATEX:
        return None


def add_formulas(reader: MarkdownIt) -> None:
    """Let a reader of Markdown know formulas."""
    reader.block.ruler.before("fence", "formula", _read_block, {"alt": ["paragraph", "reference", "blockquote"]})
    reader.inline.ruler.before("escape", "formula", _read_inline)
    reader.add_render_rule("formula_block", _render_block)
    reader.add_render_rule("formula_inline", _render_inline)


def _copied(element: Element) -> str:
    """Return an element as text; raises ValueError for what is not allowed, rather than leave it out."""
    if not _ELEMENT.fullmatch(element.tag):
        raise ValueError(f"no element {element.tag!r} in formulas")
    kept = [(name, value) for name, value in element.attrib.items() if _is_allowed(name, value)]
    attributes = "".join(f' {name}="{value}"' for name, value in kept)
    inside = _text(element.text) + "".join(_copied(child) + _text(child.tail) for child in element)
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"


def _is_allowed(name: str, value: str) -> bool:
    return bool(_ATTRIBUTE.fullmatch(name) and _VALUE.fullmatch(value))


def _text(text: str | None) -> str:
    # latex2mathml writes its signs as the text of an entity
    return escape(_ENTITY.sub(_sign, text or ""))


def _sign(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF else found[0]


def _read_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    closing = _BLOCK_ENDS.get(state.src[begin : begin + 2])
    if closing is None or state.src.find(closing, begin + 2, begin + _MAX_LENGTH) < 0:
        return False
    for line in range(start, min(end, start + _MAX_LINES)):
        if line > start and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
        text = state.src[begin + 2 if line == start else state.bMarks[line] : state.eMarks[line]]
        if closing in text:
            return text.rstrip().endswith(closing) and _keep_block(state, begin, (start, line), silent=silent)
    return False


def _keep_block(state: StateBlock, begin: int, lines: tuple[int, int], *, silent: bool) -> bool:
    if not silent:
        token = state.push("formula_block", "div", 0)
        token.content = state.src[begin : state.eMarks[lines[1]]].rstrip()
        token.map = [lines[0], lines[1] + 1]
        state.line = lines[1] + 1
    return True


def _read_inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    closing = _INLINE_ENDS.get(opening)
    if closing is None:
        return opening[:1] == "$" and _read_dollars(state, silent=silent)
    end = state.src.find(closing, state.pos + 2, _last(state))
    return end >= 0 and bool(state.src[state.pos + 2 : end].strip()) and _keep_inline(state, end + 2, silent=silent)


def _read_dollars(state: StateInline, *, silent: bool) -> bool:
    """Read `$x$`, but not `$5 and $6`: no blank stands inside the dollars, and no digit behind the last one."""
    end = state.src.find("$", state.pos + 1, _last(state))
    while end >= 0 and state.src[end - 1] == "\\":
        end = state.src.find("$", end + 1, _last(state))
    latex = state.src[state.pos + 1 : max(end, 0)]
    is_price = latex != latex.strip() or state.src[end + 1 : end + 2].isdigit()
    return bool(latex) and not is_price and _keep_inline(state, end + 1, silent=silent)


def _keep_inline(state: StateInline, end: int, *, silent: bool) -> bool:
    if not silent:
        token = state.push("formula_inline", "math", 0)
        token.content = state.src[state.pos : end]
    state.pos = end
    return True


def _last(state: StateInline) -> int:
    return min(state.posMax, state.pos + _MAX_LENGTH)


def _render_block(renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del renderer, options, env
    return f'<div class="formula">{_shown(tokens[index].content)}</div>\n'


def _render_inline(renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del renderer, options, env
    return _shown(tokens[index].content)


def _shown(source: str) -> str:
    """Return a formula with the signs around it as MathML, or as it was written."""
    size = 2 if source[:2] in _INLINE_ENDS else 1
    display = "block" if source[:2] in _BLOCK_ENDS else "inline"
    return formula(source[size:-size].strip(), display=display) or f'<code class="formula">{escape(source)}</code>'
