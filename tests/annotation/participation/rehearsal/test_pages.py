"""A bot reads a page as a browser would."""

from annotation.participation.rehearsal.pages import read_page

HTML = """
<main>
  <form data-form="page" action="/p/1/survey/0/" method="post">
    <input type="hidden" name="csrfmiddlewaretoken" value="t">
    <section data-question="age">
      <input type="radio" name="age" value="young"><input type="radio" name="age" value="old" checked>
      <textarea name="age-note">kept</textarea>
    </section>
    <input type="checkbox" name="agree">
    <input type="radio" name="way" value="left"><input type="radio" name="way" value="right">
    <textarea name="reason"></textarea>
    <select name="country"><option value="de">Germany</option><option value="fr" selected>France</option></select>
    <input name="off" value="x" disabled>
    <button name="go" value="1">Go</button>
  </form>
</main>
"""


def test_a_form_gives_the_values_that_a_browser_would_send() -> None:
    form = read_page("http://site/p/1/survey/0/", HTML).forms["page"]
    assert form.values == {
        "csrfmiddlewaretoken": ["t"], "age": ["old"], "age-note": ["kept"], "reason": [""], "country": ["fr"],
    }  # fmt: skip
    assert form.action == "http://site/p/1/survey/0/"


def test_only_what_stands_outside_of_questions_is_the_bots_own_business() -> None:
    form = read_page("http://site/p/1/survey/0/", HTML).forms["page"]
    assert (form.questions, form.ticks, form.choices, form.texts) == (
        ["age"], ["agree"], {"way": ["left", "right"]}, ["reason"],
    )  # fmt: skip


def test_a_page_says_where_a_turn_is_awaited_and_whether_it_is_the_end() -> None:
    waiting = read_page("http://site/x/", '<div data-turn-events="/t/1/events/"></div>')
    ended = read_page("http://site/x/", '<main data-end="completed"><code data-completion-code>C1</code></main>')
    assert (waiting.turn_events, waiting.end) == ("http://site/t/1/events/", "")
    assert (ended.turn_events, ended.end, ended.code) == ("", "completed", "C1")
