"""What is found about candidates before people see them. Pure: contents in, flags out.

*empty*: nothing but white space. *stray_token*: a mark of some chat template stands in the text, because a server did
not cut it off or a data set was made carelessly. *near_duplicate*: two candidates of the item share at least `SAME` of
their shingles (Jaccard similarity of the sets of three neighbouring words, case and punctuation aside; shorter texts
are compared whole); the later one is flagged."""

import re
from collections.abc import Sequence
from typing import Any

SHINGLE = 3
SAME = 0.9
EMPTY, NEAR_DUPLICATE, STRAY_TOKEN = "empty", "near_duplicate", "stray_token"
MEDIA = ("image", "audio", "video")
_WORD = re.compile(r"\w+")
# special tokens of the chat templates in use: ChatML, Llama 2 and 3, Mistral, Gemma, Phi, T5, GPT
_STRAY = re.compile(
    r"<\|(?:im_start|im_end|endoftext|end_of_text|begin_of_text|eot_id|start_header_id|end_header_id|eom_id|user|assistant"
    r"|system|end|pad)\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start_of_turn|end_of_turn|bos|eos|pad|unk)>|<extra_id_\d+>"
)


def flags_of(contents: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The flags of each candidate of one item, in order."""
    texts = [text_of(content) for content in contents]
    duplicates = near_duplicates(contents, texts)
    return [
        [
            name
            for name, holds in (
                (EMPTY, not text.strip() and not any(kind in content for kind in MEDIA)),
                (NEAR_DUPLICATE, number in duplicates),
                (STRAY_TOKEN, _STRAY.search(text) is not None),
            )
            if holds
        ]
        for number, (content, text) in enumerate(zip(contents, texts, strict=True))
    ]


def held_because(flags: Sequence[Sequence[str]], *, generated: bool) -> str:
    """Why an item waits for a researcher; empty: for nothing. Candidates that somebody brought may be alike on purpose,
    such as texts with one word changed; those that a model wrote to be compared may not."""
    holding = (EMPTY, NEAR_DUPLICATE, STRAY_TOKEN) if generated else (EMPTY, STRAY_TOKEN)
    return ", ".join(dict.fromkeys(flag for one in flags for flag in one if flag in holding))


def text_of(content: dict[str, Any]) -> str:
    """All words that a candidate consists of."""
    parts = [str(content.get("text", ""))]
    parts += [str(message.get("content", "")) for message in content.get("messages", ())]
    parts += [str(content["code"].get("text", ""))] if isinstance(content.get("code"), dict) else []
    parts += [str(short) for short in content.get("items", ())]
    return "\n".join(part for part in parts if part)


def near_duplicates(contents: Sequence[dict[str, Any]], texts: Sequence[str]) -> set[int]:
    """The candidates that say what an earlier one of the item says. Media are the same where the file is."""
    words = [_WORD.findall(text.lower()) for text in texts]
    shingles: dict[int, frozenset[tuple[str, ...]]] = {}
    found: set[int] = set()
    for later in range(len(texts)):
        for earlier in range(later):
            if _media(contents[later]) != _media(contents[earlier]):
                continue
            if _alike(later, earlier, words, shingles) or (not words[later] and _media(contents[later])):
                found.add(later)
                break
    return found


def _alike(
    one: int, other: int, words: Sequence[Sequence[str]], shingles: dict[int, frozenset[tuple[str, ...]]]
) -> bool:
    if not words[one] or not words[other]:
        return False
    for number in (one, other):
        if number not in shingles:
            shingles[number] = _shingles(words[number])
    first, second = shingles[one], shingles[other]
    return len(first & second) >= SAME * len(first | second)


def _shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(words[start:] for start in range(min(SHINGLE, len(words)))), strict=False))


def _media(content: dict[str, Any]) -> list[Any]:
    return [content[kind]["media"] for kind in MEDIA if kind in content]
