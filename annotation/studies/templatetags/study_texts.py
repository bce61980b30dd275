"""Texts of a study document on a page: Markdown without raw HTML and without images."""

import html

import nh3
from django import template
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

register = template.Library()

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable("image")
_TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def _clean(rendered: str) -> SafeString:
    allowed = nh3.clean(rendered, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"https", "http", "mailto"})
    return mark_safe(allowed)  # noqa: S308 - cleaned by an allow-list on the line above


@register.filter
def markdown(text: str) -> SafeString:
    """Paragraphs, lists, headings; the page has a first heading of its own."""
    return _clean(_markdown.render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>"))


@register.filter
def inline_markdown(text: str) -> SafeString:
    """One run of text for labels and legends: emphasis and links; a blank line is a line break."""
    return _clean(_markdown.renderInline(text))


@register.filter
def plain(text: str) -> str:
    """The words alone, for names that only a screen reader says."""
    return html.unescape(nh3.clean(_markdown.renderInline(text), tags=set()))
