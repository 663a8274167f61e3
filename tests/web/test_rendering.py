import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.web.mathematics import formula
from steersman.web.rendering import markdown, paper, paper_line

SAFE_TAGS = frozenset(
    re.findall(
        r"\w+",
        "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s a table thead tbody tr th td div math mrow"
        "  mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose msub msup msubsup munder mover"
        "  munderover mmultiscripts mprescripts none mtable mtr mlabeledtr mtd",
    )
)
# signs that Markdown, HTML and LaTeX give a meaning to
ALPHABET = st.sampled_from(
    [*"<>\"'&;:=/$\\(){}[]`*_#|!-\n ax1", "script", "javascript:", "onerror=", "\\text", "\\frac"]
)


class Tags(HTMLParser):
    """Collects the elements and attributes of a page as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize(
    "written",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/pixel.png)",
        "<svg/onload=alert(1)>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        '```"><script>alert(1)</script>\ncode\n```',
        "$\\text{<script>alert(1)</script>}$",
        "$\\text{&#x3c;script&#x3e;alert(1)}$",
        "$\\text{</mtext></math><img src=x onerror=alert(1)>}$",
        '$\\color{red" onclick="alert(1)}{y}$',
        "$\\style{position:fixed}{x}$",
    ],
)
def test_what_a_model_writes_cannot_become_a_script_or_a_picture(written: str) -> None:
    seen = Tags(markdown(written))
    assert set(seen.tags) <= SAFE_TAGS
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("style", "src", "srcdoc")]


@pytest.mark.parametrize("target", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x"])
def test_a_link_that_runs_something_is_no_link(target: str) -> None:
    assert "a" not in Tags(markdown(f"[x]({target})")).tags
    assert ("href", target) not in Tags(markdown(f"$\\href{{{target}}}{{x}}$")).attributes


def test_a_link_opens_elsewhere_and_does_not_tell_from_where() -> None:
    seen = dict(Tags(markdown("[x](https://example.org/a)")).attributes)
    assert seen == {"href": "https://example.org/a", "rel": "noopener noreferrer nofollow", "target": "_blank"}


@settings(max_examples=300, deadline=None)
@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_no_text_at_all_brings_an_element_of_its_own(written: str) -> None:
    seen = Tags(markdown(written))
    assert set(seen.tags) <= SAFE_TAGS
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name == "style"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"{}[]_^&\\ x1<>'", "\\frac", "\\left", "\\right(", "\\begin{matrix}", "\\sqrt"]), max_size=20
    )
)
def test_every_formula_is_shown_or_refused_without_an_error(parts: list[str]) -> None:
    shown = formula("".join(parts), display="inline")
    assert shown is None or set(Tags(shown).tags) <= SAFE_TAGS


@pytest.mark.parametrize(
    ("written", "display"),
    [("a $x^2$ b", "inline"), ("a \\(x^2\\) b", "inline"), ("$$x^2$$", "block"), ("\\[\nx^2\n\\]", "block")],
)
def test_all_four_signs_of_a_formula_are_known(written: str, display: str) -> None:
    page = markdown(written)
    assert f'<math display="{display}">' in page
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page


def test_lines_of_a_formula_are_no_list() -> None:
    assert "<ul>" not in markdown("$$\na\n- b\n$$")


@pytest.mark.parametrize("written", ["It costs $5 and $6.", "From $5-$6 a day", "`$x$`", "    $$x$$", "\\$x\\$"])
def test_a_price_and_code_are_no_formula(written: str) -> None:
    assert "<math" not in markdown(written)


@pytest.mark.parametrize("broken", ["$\\left( x$", "$x^2^3$", "$" + "{" * 1500 + "$", "$\\newcommand{\\a}{b}\\a$"])
def test_a_formula_that_cannot_be_read_is_shown_as_its_source(broken: str) -> None:
    page = markdown(broken)
    assert "<math" not in page
    assert f'<code class="formula">{broken}</code>' in page


def test_code_keeps_its_language_as_a_class_and_its_text_as_text() -> None:
    page = markdown("```python\nif a < b:\n```")
    assert page == '<pre><code class="language-python">if a &lt; b:\n</code></pre>\n'


def test_tables_and_line_breaks_of_a_response_are_kept() -> None:
    assert Tags(markdown("| a |\n|---|\n| b |")).tags == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert "<br" in markdown("one\ntwo")


def test_lines_of_a_guideline_may_be_wrapped() -> None:
    assert "<br" not in paper("one\ntwo")


def test_a_line_of_a_guideline_loses_the_signs_around_it() -> None:
    lines = ["## Safety", "- **Bold** words", "Rate *both* - now", "3. Third", "| 4 | Very helpful |"]
    assert [paper_line(line) for line in lines] == [
        "Safety",
        "<strong>Bold</strong> words",
        "Rate <em>both</em> - now",
        "Third",
        "4: Very helpful",
    ]


def test_the_end_of_a_formula_is_not_looked_for_without_end() -> None:
    """A text of nothing but beginnings would else take time that grows with the square of its length."""
    assert "<math" not in markdown(f"$x{'+x' * 1000}$")


def test_the_same_text_is_rendered_once() -> None:
    assert markdown("seen *twice*") is markdown("seen *twice*")
    long = "a" * 20_001
    assert markdown(long) == markdown(long)
    assert markdown(long) is not markdown(long)


def test_right_aligned_cells_need_no_style() -> None:
    assert re.search(r'<mtd columnalign="right">', markdown("$\\begin{align} a &= b \\end{align}$"))
