"""Cards of comparisons in a real browser: judged by keyboard alone, on a desk and on a phone; nothing typed is lost,
nothing is sent twice."""

import math
import re
import struct
import wave
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from annotation.items.importing.media import stored_at
from annotation.items.models import MediaFile
from annotation.judgements.models import Judgement
from annotation.participation.models import Draft, Participation
from tests.conftest import LiveSite
from tests.factories import cards, studies
from tests.factories.participations import participation
from tests.journeys.looking import Looker
from tests.journeys.talking import come_in
from tests.live import wait_until

LONG = "\n\n".join(f"Sentence {number} of a long answer, with some more words." for number in range(60))
PAIR = {
    "choice": {"from": "pick", "tie": "explicit", "none_acceptable": {"reason": "optional"}},
    "instruction": "Which answer is better?",
    "guidelines": [{"text": "Be **fair** to both."}],
    "before": ["goal"],
}
STEP = {"per_person": {"min": 1, "max": 3}, "undo": 300, "skip": {"reasons": {"hard": "Too hard"}}}


def begun(page: Page, site_url: str, person: Participation) -> Page:
    """The page of the first card."""
    come_in(page.context, site_url, person)
    page.goto(f"/p/{person.pk}/judge/cards/")
    page.get_by_role("button", name="Begin").press("Enter")
    expect(page.locator("#judge-form")).to_be_visible()
    return page


def chosen() -> list[str]:
    """The slot of each judgement, in order; what stays empty was no pick."""
    rows = Judgement.objects.order_by("submitted_at").select_related("assignment__presentation")
    slots = [{pk: slot for slot, pk in row.assignment.presentation.slots().items()} for row in rows]
    return [
        row.choice_rule if row.choice_rule != "picked" else slots[n][str(row.chosen_id)] for n, row in enumerate(rows)
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_pairs_are_judged_by_keyboard_alone(page: Page, live_site: LiveSite, width: int, scheme: Any) -> None:
    made = studies.study(cards.document(protocol=PAIR, step=STEP))
    for number in range(3):
        cards.item(made, [cards.text(LONG), cards.text(f"Short {number}.")])
    cards.open_all(made)
    person = participation(made)
    looker = Looker(live_site.url, f"cards-{width}", scheme, touch=False)
    looker.watch(page)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    begun(page, live_site.url, person)
    for key in ("b", "2", "t"):
        expect(page.get_by_text("What matters most here?")).to_be_visible()
        page.get_by_label("Truth").press("Space")
        looker.look(page, "asked first") if key == "b" else None
        page.keyboard.press("Control+Enter")
        expect(page.locator("#judge-form .answer")).to_have_count(2)
        looker.look(page, "a card") if key != "2" else None
        page.keyboard.press(key)
        page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="This part is done")).to_be_visible()
    looker.look(page, "done")
    assert looker.problems == []
    assert chosen() == ["B", "B", "tie"]
    page.get_by_role("link", name="Change my last judgement").press("Enter")
    expect(page.locator("input[value=tie]")).to_be_checked()
    page.keyboard.press("a")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Continue").press("Enter")
    page.wait_for_url(re.compile("/end/"))
    assert chosen() == ["B", "B", "tie", "A"]


def test_every_verdict_has_its_key_and_long_texts_open_by_keyboard(page: Page, live_site: LiveSite) -> None:
    verdicts = {"tie": True, "both_bad": True, "cannot_judge": True}
    better = {"better": {"kind": "preference", "text": "Which is better?"} | verdicts}
    protocol = {"choice": None, "about_item": ["better"]}
    made = studies.study(cards.document(protocol=protocol, questions=better, step={"per_person": {"max": 5}}))
    # at this size the box holds twelve lines; the second text is two lines longer
    for _ in range(5):
        cards.item(made, [cards.text(LONG), cards.text("\n".join(["A line."] * 14))])
    cards.open_all(made)
    person = participation(made)
    page.set_viewport_size({"width": 1280, "height": 800})
    begun(page, live_site.url, person)
    expect(page.get_by_role("button", name="Show all of it")).to_have_count(1)
    page.get_by_role("button", name="Show all of it").press("Enter")
    long = page.locator(".answer", has_text="Sentence 0").locator(".answer-body")
    assert long.evaluate("body => body.scrollHeight - body.clientHeight") == 0
    for key in "abtnu":
        place = page.locator("#judge-form").get_attribute("action")
        page.keyboard.press(key)
        page.keyboard.press("Control+Enter")
        expect(page.locator(f'#judge-form[action="{place}"]')).to_have_count(0)
    rows = list(Judgement.objects.order_by("submitted_at").select_related("assignment__presentation"))
    slots = [{pk: slot for slot, pk in row.assignment.presentation.slots().items()} for row in rows]
    said = [row.answers["better"][""]["value"] for row in rows]
    assert [slots[number].get(value, value) for number, value in enumerate(said)] == [
        "A", "B", "tie", "both_bad", "cannot_judge",
    ]  # fmt: skip
    seen = rows[0].assignment.presentation.shown["slots"].values()
    assert sorted((one["cut"], one["opened"]) for one in seen) == [(False, False), (True, True)]


def test_four_are_ranked_with_a_tie_by_keyboard_and_mistakes_take_the_focus(page: Page, live_site: LiveSite) -> None:
    ranking = {"order": {"kind": "ranking", "text": "Put them in order"}}
    protocol = {"arrangement": "list", "choice": None, "about_item": ["order"]}
    made = studies.study(cards.document(protocol=protocol, questions=ranking))
    cards.item(made, [cards.text(f"Text {number}.") for number in range(4)])
    cards.open_all(made)
    looker = Looker(live_site.url, "ranking-card", "light", touch=False)
    begun(looker.watch(page), live_site.url, participation(made))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#error-summary")).to_be_focused()
    looker.look(page, "a mistake")
    for key in ("c", "a", "b"):
        page.keyboard.press(key)
        page.keyboard.press("Enter")
    page.keyboard.press("=")
    expect(page.get_by_role("status").filter(has_text="level with")).to_be_attached()
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    assert re.findall(r"text: (\w).* (place .*)", page.locator("pv-ranking").aria_snapshot()) == [
        ("C", "place 1 of 3"), ("A", "place 2 of 3, level with B"), ("B", "place 2 of 3, level with A"),
        ("D", "place 3 of 3"),
    ]  # fmt: skip
    looker.look(page, "ranked")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("/end/"))
    assert looker.problems == []
    judgement = Judgement.objects.get()
    slots = judgement.assignment.presentation.slots()
    ranks = judgement.answers["order"][""]["value"]["ranks"]
    assert {slot: ranks[pk] for slot, pk in slots.items()} == {"C": 1, "A": 2, "B": 2, "D": 3}


def test_a_reload_keeps_what_was_typed_and_a_double_click_is_one_judgement(page: Page, live_site: LiveSite) -> None:
    person = cards.judge(items=2)
    begun(page, live_site.url, person)
    page.keyboard.press("b")
    page.get_by_label("Why?").fill("Because it is clearer.")
    wait_until("the draft is saved", lambda: Draft.objects.filter(fields__why=["Because it is clearer."]).exists())
    page.reload()
    expect(page.get_by_label("Why?")).to_have_value("Because it is clearer.")
    expect(page.locator("input[name=chosen][value=B]")).to_be_checked()
    page.get_by_role("button", name="Save and go on").dblclick()
    expect(page.locator("[data-receipt]")).to_have_count(1)
    expect(page.get_by_label("Why?")).to_have_value("")
    assert chosen() == ["B"]
    page.go_back()
    page.goto(f"/p/{person.pk}/judge/cards/")
    expect(page.get_by_text("2 of 2")).to_be_visible()
    assert Judgement.objects.count() == 1


def test_a_recording_is_played_to_its_end_before_it_can_be_judged(page: Page, live_site: LiveSite) -> None:
    made = studies.study(cards.document(protocol={"arrangement": "single", "play_to_end": True, "choice": None}))
    song = sound(cards.picture(made, "song", kind="audio", content_type="audio/wav"))
    cards.item(made, [{"audio": {"media": str(song.pk), "alt": "A tone"}}])
    cards.open_all(made)
    begun(page, live_site.url, participation(made))
    tick = page.get_by_label("Play it to its end")
    page.get_by_text("Play it to its end").click()
    expect(tick).not_to_be_checked()
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("link", name="Play it to its end first.")).to_be_visible()
    assert Judgement.objects.count() == 0
    page.evaluate("document.querySelector('audio').play()")
    expect(page.get_by_label("Played to the end")).to_be_checked()
    page.get_by_role("button", name="Save and go on").click()
    page.wait_for_url(re.compile("/end/"))
    assert Judgement.objects.get().assignment.presentation.shown["slots"]["A"]["played"] is True


def sound(file: MediaFile) -> MediaFile:
    """Half a second of a tone under the file's hash."""
    path = stored_at(Path(settings.MEDIA_ROOT), file.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as tone:
        tone.setparams((1, 2, 8000, 4000, "NONE", ""))
        tone.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 3))) for n in range(4000)))
    file.bytes = path.stat().st_size
    file.save(update_fields=["bytes"])
    return file


def test_a_picture_is_enlarged_by_key_and_the_focus_comes_back(page: Page, live_site: LiveSite) -> None:
    made = studies.study(cards.document(protocol={"arrangement": "grid"}))
    files = [drawn(cards.picture(made, f"picture-{number}"), number) for number in range(2)]
    cards.item(made, [{"image": {"media": str(file.pk), "alt": file.name}} for file in files])
    cards.open_all(made)
    looker = Looker(live_site.url, "images-card", "light", touch=False)
    begun(looker.watch(page), live_site.url, participation(made))
    page.keyboard.press("z")
    expect(page.locator("dialog.zoom h2")).to_contain_text("Image A")
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog.zoom h2")).to_contain_text("Image B")
    looker.look(page, "a picture alone")
    page.keyboard.press("Escape")
    expect(page.locator("#answer-A .zoomable")).to_be_focused()
    page.get_by_text("Crop all pictures alike").click()
    page.keyboard.press("b")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("/end/"))
    assert looker.problems == []
    shown = Judgement.objects.get().assignment.presentation.shown
    assert (shown["zoomed"], shown["same_crop"]) == (1, True)


def drawn(file: MediaFile, number: int) -> MediaFile:
    """A small picture under the file's hash."""
    path = stored_at(Path(settings.MEDIA_ROOT), file.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = ("#a03020", "#2030a0")[number]
    shape = f'<path fill="{colour}" d="M0 0h40v30H0z"/>'
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">{shape}</svg>')
    file.content_type, file.bytes = "image/svg+xml", path.stat().st_size
    file.save(update_fields=["content_type", "bytes"])
    return file
