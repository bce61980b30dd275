"""Model output becomes HTML that can do nothing."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pygments.styles import get_style_by_name

from annotation.common.management.commands.write_code_css import DARK, LIGHT, code_css
from annotation.common.markdown import render_markdown

HERE = Path(__file__).parent
TAGS = {
    *("p", "br", "hr", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "em", "strong", "s", "code", "pre", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "span", "div"),
}
ATTRIBUTES = {"class", "href", "target", "rel", "start", "data-tex", "tabindex", "role"}


def payloads() -> Iterator[str]:
    for line in (HERE / "xss_payloads.txt").read_text(encoding="utf-8").splitlines():
        yield (
            line.replace("\\\\", "\x02")
            .replace("\\n", "\n")
            .replace("\\u0000", "\0")
            .replace("\\x01", "\x01")
            .replace("\\u202e", "\u202e")
            .replace("\x02", "\\")
        )


class Violations(HTMLParser):
    """Collects whatever a browser could act upon."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found.append(tag)
        for name, value in attrs:
            if name not in ATTRIBUTES:
                self.found.append(f"{tag}[{name}]")
            if name == "href" and urlsplit(value or "").scheme not in {"http", "https", "mailto"}:
                self.found.append(f"{tag}[href={value}]")
        if tag == "a" and dict(attrs).get("rel") != "noopener noreferrer nofollow":
            self.found.append("a without rel")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"declaration {decl}")


def violations(html: str) -> list[str]:
    parser = Violations()
    parser.feed(html)
    parser.close()
    return parser.found


def test_the_corpus_is_large_enough() -> None:
    assert len(set(payloads())) >= 60


def test_the_detector_sees_what_it_must() -> None:
    assert violations('<img src=x onerror=a><a href="javascript:x">y</a>') == [
        "img",
        "img[src]",
        "img[onerror]",
        "a[href=javascript:x]",
        "a without rel",
    ]


@pytest.mark.parametrize("payload", list(payloads()))
def test_a_hostile_text_renders_to_harmless_elements_only(payload: str) -> None:
    assert violations(render_markdown(payload)) == []


@pytest.mark.parametrize("payload", list(payloads()))
def test_a_hostile_text_stays_harmless_inside_a_paragraph_and_a_list(payload: str) -> None:
    assert violations(render_markdown(f"Look: {payload}\n\n- {payload}\n\n> {payload}")) == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b** ~~s~~ `c`", "<p><strong>b</strong> <s>s</s> <code>c</code></p>\n"),
        ("# One\n###### Six", "<h4>One</h4>\n<h6>Six</h6>\n"),
        ("a ![x](http://e.example/p.png) b", "<p>a  b</p>\n"),
        ("$x^2$", '<p><span class="math" data-tex="x^2">x^2</span></p>\n'),
        ("It costs $5 and then $10.", "<p>It costs $5 and then $10.</p>\n"),
        (r"\(a<b\)", '<p><span class="math" data-tex="a&lt;b">a&lt;b</span></p>\n'),
        ("$$\ny=1\n$$", '<div class="math math-block" data-tex="y=1">y=1</div>\n'),
        (r"\[ z \]", '<div class="math math-block" data-tex="z">z</div>\n'),
        ("so $$a+b$$ it is", '<p>so <span class="math math-block" data-tex="a+b">a+b</span> it is</p>\n'),
        ("```\na < b\n```", '<pre class="highlight" tabindex="0"><code>a &lt; b\n</code></pre>\n'),
        (
            "[x](http://a.example/?q=1&r=2)",
            '<p><a href="http://a.example/?q=1&amp;r=2" target="_blank" rel="noopener noreferrer nofollow">x</a></p>\n',
        ),
    ],
)
def test_markdown_renders_as_expected(text: str, html: str) -> None:
    assert render_markdown(text) == html


def test_named_code_is_coloured_by_class() -> None:
    assert render_markdown("```python\n1\n```") == (
        '<pre class="highlight" tabindex="0"><code><span class="mi">1</span>\n</code></pre>\n'
    )


def test_a_table_scrolls_by_itself_and_keeps_its_alignment_without_styles() -> None:
    html = render_markdown("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert html.startswith('<div class="table-scroll" tabindex="0" role="group"><table>')
    assert [part.split(">")[0] for part in html.split("<td ")[1:]] == ['class="at-start"', 'class="at-end"']


def test_a_link_inside_the_site_goes_nowhere() -> None:
    assert "href" not in render_markdown("[x](/admin/) [y](//evil.example) [z](#a)")


def test_an_enormous_text_is_shown_as_it_is() -> None:
    assert render_markdown("<b>" * 20_000) == '<pre class="highlight" tabindex="0"><code>' + "&lt;b&gt;" * 20_000 + (
        "</code></pre>\n"
    )


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("style", "ground"), [(LIGHT, "f6f4ef"), (DARK, "14171a")])
def test_every_colour_of_code_can_be_read_on_its_ground(style: str, ground: str) -> None:
    colours = {rules["color"] for _, rules in get_style_by_name(style) if rules["color"]}
    for colour in colours:
        light, dark = sorted((_luminance(ground), _luminance(colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_the_style_sheet_of_code_is_the_one_that_the_command_writes() -> None:
    stored = (HERE.parents[2] / "static" / "css" / "code.css").read_text(encoding="utf-8")
    assert stored == code_css()
