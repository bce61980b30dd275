"""Model output as safe HTML. The text is untrusted: a real parser reads it, then an allow-list decides what stays.

Raw HTML is shown as text, images are dropped whole, links lead out of the site in a new tab or are inert. Mathematics
becomes elements with the source in `data-tex`, which the page renders with KaTeX; without it the source is readable.
What is stored and exported is always the raw text, never this."""

import html
from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

SCHEMES = {"http", "https", "mailto"}
# h1 and h2 are the page's, h3 names the answer
DEEPEST_HEADING, HEADING_SHIFT = 6, 3
MOST_HIGHLIGHTED_CHARS = 20_000
# a few constructs take time that grows with the square of the length
MOST_PARSED_CHARS = 50_000

_TAGS = {
    *("p", "br", "hr", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "em", "strong", "s", "code", "pre", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "span", "div"),
}
_ALIGNMENTS = {"text-align:left": "at-start", "text-align:center": "at-centre", "text-align:right": "at-end"}
_CLASSES = {
    "span": {name for name in STANDARD_TYPES.values() if name} | {"math", "math-block"},
    "div": {"math", "math-block", "table-scroll"},
    "pre": {"highlight"},
    "td": set(_ALIGNMENTS.values()),
    "th": set(_ALIGNMENTS.values()),
}
_ATTRIBUTES = {
    "a": {"href", "target"},
    "ol": {"start"},
    "span": {"data-tex"},
    "div": {"data-tex", "tabindex", "role"},
    "pre": {"tabindex"},
}
_cleaner = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    allowed_classes=_CLASSES,
    url_schemes=SCHEMES,
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    strip_comments=True,
)


def render_markdown(text: str) -> SafeString:
    """Safe HTML for a text that a model or a stranger wrote."""
    if len(text) > MOST_PARSED_CHARS:
        return mark_safe(_code(text, ""))  # noqa: S308 - escaped, and nothing else
    return mark_safe(_cleaner.clean(_parser.render(text)))  # noqa: S308 - the allow-list above made it safe


def render_code(text: str, language: str) -> SafeString:
    """Safe HTML for a whole text that is code."""
    return mark_safe(_code(text, language))  # noqa: S308 - escaped, then coloured by class alone


def _drop_images(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = [child for child in token.children if child.type != "image"]


def _shift_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + HEADING_SHIFT, DEEPEST_HEADING)}"


def _class_instead_of_style(state: StateCore) -> None:
    """Aligned table cells come with a style attribute, which the content security policy refuses."""
    for token in state.tokens:
        if token.type in {"td_open", "th_open"} and (style := token.attrs.pop("style", None)):
            token.attrs["class"] = _ALIGNMENTS[str(style)]


def _code(text: str, language: str) -> str:
    """A code block: coloured by class where the language is named and known, else plain."""
    words = language.split()
    coloured = html.escape(text)
    if words and len(text) <= MOST_HIGHLIGHTED_CHARS:
        try:
            lexer = get_lexer_by_name(words[0], stripnl=False)
            coloured = highlight(text, lexer, HtmlFormatter(nowrap=True))
        except ClassNotFound:
            pass
    return f'<pre class="highlight" tabindex="0"><code>{coloured}</code></pre>\n'


def _math(tex: str, element: str, classes: str) -> str:
    source = html.escape(tex.strip())
    return f'<{element} class="{classes}" data-tex="{source}">{source}</{element}>'


class _Rules:
    """How single tokens become HTML, where the parser's own way does not do."""

    @staticmethod
    def fence(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return _code(tokens[index].content, tokens[index].info)

    @staticmethod
    def code_block(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return _code(tokens[index].content, "")

    @staticmethod
    def math_inline(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return _math(tokens[index].content, "span", "math")

    @staticmethod
    def math_block(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return _math(tokens[index].content, "div", "math math-block") + "\n"

    @staticmethod
    def math_display(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        """Display mathematics inside a paragraph, where no div may stand."""
        return _math(tokens[index].content, "span", "math math-block")

    @staticmethod
    def table_open(*_: Any) -> str:
        return '<div class="table-scroll" tabindex="0" role="group"><table>\n'

    @staticmethod
    def table_close(*_: Any) -> str:
        return "</table></div>\n"

    @staticmethod
    def link_open(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return f'<a href="{html.escape(str(tokens[index].attrs.get("href", "")))}" target="_blank">'


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False, "maxNesting": 20})
    parser.enable(["table", "strikethrough"])
    parser.use(texmath_plugin, delimiters="brackets")
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True)
    parser.use(amsmath_plugin)
    for rule in (_drop_images, _shift_headings, _class_instead_of_style):
        parser.core.ruler.push(rule.__name__, rule)
    for name in ("fence", "code_block", "math_inline", "math_block", "table_open", "table_close", "link_open"):
        parser.add_render_rule(name, getattr(_Rules, name))
    parser.add_render_rule("math_inline_double", _Rules.math_display)
    for name in ("math_block_eqno", "amsmath"):
        parser.add_render_rule(name, _Rules.math_block)
    return parser


_parser = _make_parser()
