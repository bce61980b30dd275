"""From tokens to characters: no half character, nothing of a stop text, nothing lost."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_serving.engine.text import Detokeniser
from models_serving.stops import StopFinder
from tests.models_serving import tiny

texts = st.text(st.sampled_from("ab grüß日本😀\n"), max_size=30)


both_kinds = pytest.mark.parametrize("tokenizer", [tiny.tokenizer(), tiny.llama_like_tokenizer()], ids=["gpt", "llama"])


def streamed(tokens: list[int], tokenizer: Any = None) -> tuple[list[str], str]:
    detokeniser = Detokeniser(tokenizer or tiny.tokenizer())
    pieces = [detokeniser.push(token) for token in tokens]
    return pieces, "".join(pieces) + detokeniser.flush()


def test_a_character_of_several_tokens_comes_when_it_is_whole() -> None:
    tokens = tiny.tokenizer().encode("a😀b", add_special_tokens=False)
    assert len(tokens) > 3
    pieces, whole = streamed(tokens)
    assert [piece for piece in pieces if piece] == ["a", "😀", "b"]
    assert whole == "a😀b"


def test_a_character_that_never_becomes_whole_is_left_out() -> None:
    tokens = tiny.tokenizer().encode("ok 😀", add_special_tokens=False)
    assert streamed(tokens[:-1])[1] == "ok "


def test_special_tokens_are_no_text() -> None:
    ends = tiny.tokenizer().convert_tokens_to_ids(["<|end|>", "<|user|>"])
    tokens = tiny.tokenizer().encode("one", add_special_tokens=False)
    assert streamed([ends[1], *tokens, *ends, *tokens])[1] == "oneone"


@both_kinds
@settings(deadline=None)
@given(text=texts)
def test_the_pieces_of_a_text_are_the_text(tokenizer: Any, text: str) -> None:
    pieces, whole = streamed(tokenizer.encode(text, add_special_tokens=False), tokenizer)
    assert "".join(pieces) == whole == text
    assert not any("\ufffd" in piece for piece in pieces)


@settings(deadline=None)
@given(tokens=st.lists(st.integers(0, 299), max_size=40))
def test_any_tokens_stream_to_their_decoding_without_a_half_character_at_the_end(tokens: list[int]) -> None:
    pieces, whole = streamed(tokens)
    decoded = tiny.tokenizer().decode(tokens, skip_special_tokens=True)
    assert whole == decoded.rstrip("\ufffd")
    assert not any(piece.endswith("\ufffd") for piece in pieces)


def test_a_broken_byte_does_not_take_back_the_sound_one_before_it() -> None:
    """Llama's decoder turns a whole run of bytes into question marks when one of them is wrong."""
    tokenizer = tiny.llama_like_tokenizer()
    tokens = tokenizer.convert_tokens_to_ids(["<0x41>", "<0x80>", "b"])
    assert tokenizer.decode(tokens) == "\ufffd\ufffdb"
    assert streamed(tokens, tokenizer) == (["A", "", "\ufffdb"], "A\ufffdb")


def run(stops: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    finder, given_out = StopFinder(stops), []
    for piece in pieces:
        free, stopped = finder.push(piece)
        given_out.append(free)
        if stopped:
            return given_out, True
    return [*given_out, finder.flush()], False


def test_a_stop_text_across_pieces_is_found_and_nothing_of_it_gets_out() -> None:
    assert run(["END"], ["abc E", "N", "D def"]) == (["abc ", "", ""], True)
    assert run(["\n\nUser:", "x"], ["hi\n", "\nUs", "er: no"]) == (["hi", "", ""], True)


def test_text_that_only_looked_like_a_stop_text_comes_out() -> None:
    pieces, stopped = run(["END"], ["abc E", "N", "E"])
    assert ("".join(pieces), stopped) == ("abc ENE", False)
    assert pieces == ["abc ", "", "EN", "E"]


def test_of_several_stop_texts_the_one_that_is_complete_first_counts() -> None:
    assert run(["later", "soon"], ["now soon later"]) == (["now "], True)
    assert run(["bc", "abc"], ["xabcd"]) == (["x"], True)
    assert run(["b", "abc"], ["xabcd"]) == (["xa"], True)


@given(
    text=st.text("abc", max_size=40),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 40), max_size=10),
)
def test_stopping_does_not_depend_on_how_the_text_is_cut(text: str, stops: list[str], cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    ends = sorted((text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text)
    given_out, stopped = run(stops, pieces)
    assert stopped is bool(ends)
    assert "".join(given_out) == (text[: ends[0][1]] if ends else text)
