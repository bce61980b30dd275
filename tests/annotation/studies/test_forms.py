"""Forms of questions: conditions, shuffles, errors, and the HTML of every kind."""

from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from django.template.loader import render_to_string
from pydantic import TypeAdapter

from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import Question

READ: TypeAdapter[Question] = TypeAdapter(AnyQuestion)


def asked(name: str, kind: str, *, prefix: str = "", target: str = "", **keys: Any) -> Asked:
    return Asked(name, READ.validate_python({"kind": kind, "text": f"{name}?"} | keys), prefix or name, target)


def form(*questions: Asked, earlier: dict[str, Any] | None = None, **fields: Any) -> QuestionForm:
    posted = {name: given if isinstance(given, list) else [given] for name, given in fields.items()}
    return QuestionForm(list(questions), posted, seed="7", language="en", earlier=earlier or {})


def stored(value: Any) -> dict[str, Any]:
    return {"value": value, "missing": "", "shown_order": None, "details": {}}


USE = asked("use", "single_choice", choices=["Yes", "No"])
OFTEN = asked("often", "short_text", show_if={"use": "Yes"})


def test_question_whose_condition_fails_is_stored_as_not_shown_whatever_was_posted() -> None:
    filled = form(USE, OFTEN, use="No", often="daily")
    assert filled.is_valid()
    assert {name: answer.missing for (name, _), answer in filled.answers.items()} == {"use": "", "often": "not_shown"}


def test_question_whose_condition_holds_on_the_same_page_is_required() -> None:
    filled = form(USE, OFTEN, use="Yes")
    assert not filled.is_valid()
    assert filled.errors == {"often": "Please answer this question."}


def test_condition_on_an_earlier_page_decides_on_the_server_and_one_on_this_page_goes_to_the_script() -> None:
    hidden = form(OFTEN, earlier={"use": stored("No")}).widgets()[0]
    shown = form(OFTEN, earlier={"use": stored("Yes")}).widgets()[0]
    live = form(USE, OFTEN).widgets()[1]
    assert [(w["shown"], w["live_condition"]) for w in (hidden, shown, live)] == [
        (False, ""),
        (True, ""),
        (True, '{"use": "Yes"}'),
    ]


def test_mixed_condition_leaves_only_what_this_page_can_change() -> None:
    both = asked("both", "short_text", show_if={"any": [{"old": "Yes"}, {"all": [{"use": "Yes"}, {"old": "No"}]}]})
    live = form(USE, both, earlier={"old": stored("No")}).widgets()[1]["live_condition"]
    assert live == '{"any": [{"all": [{"use": "Yes"}]}]}'


def test_condition_reads_the_answer_about_the_same_candidate() -> None:
    questions = [asked("score", "slider", prefix=f"{slot}-score", target=slot) for slot in "AB"] + [
        asked("why", "short_text", prefix=f"{slot}-why", target=slot, show_if={"score": {"at_least": 50}})
        for slot in "AB"
    ]
    filled = form(*questions, **{"A-score": "20", "B-score": "80", "B-why": "good"})
    assert filled.is_valid()
    assert (filled.answers["why", "A"].missing, filled.answers["why", "B"].value) == ("not_shown", "good")
    assert [w["live_condition"] for w in filled.widgets()[2:]] == [
        '{"A-score": {"at_least": 50}}',
        '{"B-score": {"at_least": 50}}',
    ]


def test_every_wrong_row_has_its_own_error_beside_it() -> None:
    filled = form(asked("m", "sliders", rows={"a": "Alpha", "b": "Beta"}))
    filled.fields = {"m-a": ["500"], "m-b": ["x"]}
    assert not filled.is_valid()
    rows = {row["key"]: row["error"] for row in filled.widgets()[0]["rows"]}
    assert rows == {"a": "Choose a number from 0 to 100.", "b": "Choose a number from 0 to 100."}


def test_draft_is_filled_in_and_shown_order_comes_from_the_seed() -> None:
    shuffled = asked("c", "multiple_choice", choices=list("abcdefgh"), shuffle="choices")
    first, again = form(shuffled, c=["b"]), form(shuffled, c=["b"])
    order = [choice["key"] for choice in first.widgets()[0]["choices"]]
    assert order == list(first.order(shuffled) or ())
    assert first.widgets() == again.widgets()
    assert [choice["key"] for choice in first.widgets()[0]["choices"] if choice["chosen"]] == ["b"]


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.refers: set[str] = set()
        self.labelled: set[str] = set()
        self.inputs: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.in_label: set[int] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not {"style", "onclick"} & set(given)
        assert tag not in {"script", "style"}
        self.ids += [given["id"] or ""] if "id" in given else []
        for name in ("aria-describedby", "aria-labelledby", "for"):
            self.refers |= set((given.get(name) or "").split())
        if tag == "label":
            self.labelled.add(given.get("for") or "")
            self.open.append(tag)
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
            named = bool(self.open) or "aria-label" in given or given.get("id")
            self.inputs.append(given | {"named": "yes" if named else None})

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self.open.pop()


EVERY_KIND = [
    asked("one", "single_choice", choices=["**A**", "B <b>"], other=True, prefer_not=True, na=True, help="Help."),
    asked("many", "multiple_choice", choices=["A", "None"], exclusive=["None"], other=True, at_most=2),
    asked("land", "drop_down", source="countries", other=True),
    asked("line", "short_text", required=False),
    asked("lines", "long_text", help="Two sentences."),
    asked("count", "number", unit="years"),
    asked("slide", "slider", scale={"ends": ["Low", "High"], "number": "shown"}),
    asked("matrix", "sliders", rows={"a": "Alpha", "b": "Beta"}, other=True, na_rows=True, scale={"start": 50}),
    asked("agree", "likert", points={"labels": ["No", "Yes"]}),
    asked("grid", "likert_rows", rows={"a": "Alpha"}, other=True, na_rows=True, points={"count": 5}),
    asked("tick", "statement"),
    asked("sum", "constant_sum", rows={"a": "Alpha", "b": "Beta"}, unit="%"),
]


def html_of(filled: QuestionForm) -> str:
    return "".join(render_to_string("studies/question.html", {"q": widget}) for widget in filled.widgets())


@pytest.mark.parametrize("sent", [False, True], ids=["fresh", "with errors"])
def test_page_of_every_kind_has_unique_ids_labels_for_all_inputs_and_no_dangling_reference(sent: bool) -> None:
    filled = form(*EVERY_KIND)
    if sent:
        filled.is_valid()
    page = _Page(html_of(filled))
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert sorted(page.refers - set(page.ids)) == []
    unnamed = [given for given in page.inputs if not given["named"] and given.get("type") != "range"]
    assert unnamed == []


def test_every_error_key_is_the_id_of_an_element() -> None:
    filled = form(*EVERY_KIND, **{"matrix-a": "x", "matrix-b": "1", "grid-a": "9", "sum-a": "x", "one": "other"})
    assert not filled.is_valid()
    assert sorted(set(filled.errors) - set(_Page(html_of(filled)).ids)) == []


def test_text_of_a_question_is_markdown_without_raw_html() -> None:
    html = html_of(form(asked("q", "single_choice", choices=["**Bold** <script>x</script>", "B"])))
    assert "<strong>Bold</strong> &lt;script&gt;" in html
    assert "<script>" not in html


def test_not_shown_question_renders_nothing() -> None:
    assert html_of(form(OFTEN, earlier={"use": stored("No")})).strip() == ""
