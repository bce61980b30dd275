"""What the browser is told when, in each reveal mode. Time is a number here."""

from typing import Any

from annotation.conversations.live import Entry, Kind, TurnEvent
from annotation.conversations.reveal import Mode, Reveal, Told


class Story:
    """A log that grows, and one reader of it."""

    def __init__(self, mode: Mode, slots: str = "AB", *, hold: float = 10, pace: float = 10) -> None:
        self.reveal = Reveal(mode, slots, hold=hold, pace=pace, started=0)
        self.number = 0

    def log(self, kind: Kind, slot: str = "", text: str = "", attempt: int = 1) -> list[Any]:
        self.number += 1
        return plain(self.reveal.take([Entry(self.number, TurnEvent(kind, 0, slot, attempt if slot else 0, text))]))

    def at(self, now: float) -> list[Any]:
        return plain(self.reveal.due(now))


def plain(told: list[Told]) -> list[Any]:
    return [(event.name, *event.data.values()) for event in told]


def test_free_tells_everything_as_it_comes_under_the_logs_numbers() -> None:
    story = Story("free")
    assert story.log("token", "A", "Hel") == [("token", "A", "Hel")]
    assert story.log("token", "B", "Hi") == [("token", "B", "Hi")]
    assert story.log("done", "B") == [("done", "B")]
    assert story.log("ready") == [("ready",)]
    assert (story.reveal.ended, story.at(99)) == (True, [])


def test_a_backlog_is_told_in_few_events_under_its_last_number() -> None:
    reveal = Reveal("free", "A", hold=0, pace=1, started=0)
    backlog = [Entry(number, TurnEvent("token", 0, "A", 1, text)) for number, text in enumerate("abc", start=1)]
    assert reveal.take(backlog) == [Told("token", {"slot": "A", "text": "abc"}, 3)]


def test_a_reset_empties_the_slot_and_what_the_old_attempt_still_says_is_dropped() -> None:
    story = Story("free")
    story.log("token", "A", "Bro")
    assert story.log("reset", "A", attempt=2) == [("reset", "A")]
    assert story.log("token", "A", "ken") == []
    assert story.log("token", "A", "New", attempt=2) == [("token", "A", "New")]


def test_in_step_a_reset_forgets_what_the_old_attempt_said() -> None:
    story = Story("in_step", "A", pace=1)
    story.log("token", "A", "broken off ")
    story.log("reset", "A", attempt=2)
    story.log("token", "A", "a new ans", attempt=2)
    story.log("token", "A", "wer ", attempt=2)
    assert story.reveal.snapshot(3).data["slots"]["A"] == {"text": "a new answer", "done": False}


def test_in_step_text_is_cut_into_the_same_pieces_however_it_comes() -> None:
    text = " one\u00a0two\n\nthree incomprehensibilities 漢字漢字漢字漢字漢字漢字漢字 x\t "
    whole, letters = Story("in_step", "A"), Story("in_step", "A")
    whole.log("token", "A", text)
    for letter in text:
        letters.log("token", "A", letter)
    pieces = whole.reveal.slots["A"].pieces
    assert (letters.reveal.slots["A"].pieces, len(pieces)) == (pieces, 8)
    assert whole.reveal.slots["A"].rest() == letters.reveal.slots["A"].rest() == text


def test_a_replacement_looks_like_any_other_reset() -> None:
    story = Story("free")
    story.log("token", "A", "Words")
    assert story.log("replaced", "A") == [("reset", "A")]


def test_a_side_of_which_nothing_was_shown_begins_again_without_a_word() -> None:
    for mode in ("free", "in_step", "together"):
        story = Story(mode)
        assert [story.log("reset", "B"), story.log("reset", "B", attempt=2), story.at(0)] == [[], [], []]


def test_together_says_nothing_of_a_side_that_begins_again_before_the_end() -> None:
    story = Story("together")
    story.log("token", "B", "broken off")
    assert [story.log("reset", "B", attempt=2), story.log("replaced", "A"), story.at(0)] == [[], [], []]


def test_in_step_a_side_that_waits_for_the_other_begins_again_without_a_word_and_a_shown_one_is_emptied() -> None:
    story = Story("in_step")
    story.log("token", "A", "one two ")
    assert (story.log("reset", "A", attempt=2), story.at(0)) == ([], [])
    story.log("token", "A", "three four ", attempt=2)
    story.log("token", "B", "uno dos ")
    assert story.at(0) == [("token", "A", "three"), ("token", "B", "uno")]
    assert story.log("reset", "A", attempt=3) == [("reset", "A")]


def test_a_new_attempt_is_one_reset_though_the_log_says_it_twice() -> None:
    story = Story("free")
    story.log("token", "A", "Bro")
    assert [story.log("reset", "A"), story.log("reset", "A", attempt=2)] == [[("reset", "A")], []]


def test_void_ends_every_mode_at_once() -> None:
    for mode in ("free", "in_step", "together"):
        story = Story(mode)
        story.log("token", "A", "Half an ans")
        assert (story.log("void"), story.reveal.ended) == ([("void",)], True)


def test_together_tells_nothing_before_all_is_there_and_then_all() -> None:
    story = Story("together")
    assert [story.log("token", "A", "One answer"), story.log("done", "A"), story.at(5)] == [[], [], []]
    assert [story.log("token", "B", "Another"), story.log("done", "B"), story.log("ready")] == [[], [], []]
    assert story.at(6) == [
        ("token", "A", "One answer"),
        ("token", "B", "Another"),
        ("done", "A"),
        ("done", "B"),
        ("ready",),
    ]


def test_in_step_holds_the_first_word_until_every_side_has_one() -> None:
    story = Story("in_step")
    story.log("token", "A", "one two three four ")
    assert story.at(3) == []
    story.log("token", "B", "uno dos ")
    assert story.at(3.5) == [("token", "A", "one"), ("token", "B", "uno")]


def test_in_step_goes_on_at_one_pace_for_all() -> None:
    story = Story("in_step", pace=10)
    story.log("token", "A", "one two three four ")
    story.log("token", "B", "uno dos tres ")
    assert story.at(0) == [("token", "A", "one"), ("token", "B", "uno")]
    assert story.at(0.05) == []
    assert story.at(0.1) == [("token", "A", " two"), ("token", "B", " dos")]
    assert story.reveal.waiting(0.1) == 0.1


def test_in_step_waits_for_a_side_that_is_late_but_not_for_ever() -> None:
    story = Story("in_step", hold=2, pace=10)
    story.log("token", "A", "one two three ")
    story.log("token", "B", "uno ")
    story.at(0)
    assert (story.at(1), story.reveal.waiting(1.0)) == ([], 1.1)
    assert story.at(2.1) == [("token", "A", " two")]
    assert story.at(2.2) == [("token", "A", " three")]


def test_in_step_waits_again_for_a_side_that_caught_up() -> None:
    story = Story("in_step", hold=2, pace=10)
    story.log("token", "A", "one two three four ")
    story.log("token", "B", "uno ")
    assert (story.at(0), story.at(2.1)) == ([("token", "A", "one"), ("token", "B", "uno")], [("token", "A", " two")])
    story.log("token", "B", "dos tres ")
    assert story.at(2.2) == [("token", "A", " three"), ("token", "B", " dos tres")]
    assert story.at(2.3) == []


def test_in_step_begins_without_a_silent_side_after_the_hold() -> None:
    story = Story("in_step", hold=2)
    story.log("token", "A", "one two ")
    assert (story.at(1.9), story.reveal.waiting(1.5)) == ([], 0.5)
    assert story.at(4.2) == [("token", "A", "one")]


def test_in_step_never_shows_half_a_word() -> None:
    story = Story("in_step", "A")
    story.log("token", "A", "Hel")
    assert story.at(0) == []
    story.log("token", "A", "lo wor")
    assert story.at(1) == [("token", "A", "Hello")]


def test_in_step_shows_text_without_spaces_in_parts() -> None:
    story = Story("in_step", "A", pace=1)
    story.log("token", "A", "你" * 30)
    assert [story.at(0), story.at(1), story.at(2)] == [[("token", "A", "你" * 12)], [("token", "A", "你" * 12)], []]


def test_in_step_says_done_for_all_at_once_and_loses_no_character() -> None:
    story = Story("in_step", pace=1)
    told = []
    for slot, text in (("A", " one  two\n"), ("B", "uno ")):
        story.log("token", slot, text)
        story.log("done", slot)
    story.log("ready")
    for second in range(6):
        told += story.at(second)
    texts = {slot: "".join(event[2] for event in told if event[0] == "token" and event[1] == slot) for slot in "AB"}
    assert texts == {"A": " one  two\n", "B": "uno "}
    assert told[-3:] == [("done", "A"), ("done", "B"), ("ready",)]


def test_in_step_somebody_who_comes_back_sees_what_the_pace_allows_and_goes_on_from_there() -> None:
    story = Story("in_step", pace=1)
    story.log("token", "A", "a b c d e f g ")
    story.log("token", "B", "1 2 3 4 5 6 7 ")
    assert story.reveal.snapshot(3).data == {
        "slots": {"A": {"text": "a b c", "done": False}, "B": {"text": "1 2 3", "done": False}}
    }
    assert story.at(3) == [("token", "A", " d"), ("token", "B", " 4")]


def test_together_somebody_who_comes_back_sees_nothing_yet() -> None:
    story = Story("together", "A")
    story.log("token", "A", "secret")
    assert story.reveal.snapshot(5).data == {"slots": {"A": {"text": "", "done": False}}}
