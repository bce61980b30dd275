"""Composes conversations for one voice out of the written text: what the person says, and what this voice answers."""

from dataclasses import dataclass, field
from random import Random

from models_serving.demo.noise import invented_word, typed
from models_serving.demo.text import Entry, expand, fill, read_named, read_topics

TURNS = (2, 2, 2, 3, 3, 4, 5)
FALLBACK = "fallback"
# How often each thing happens after an answer. `topic` is a new topic, `again` another question about the same one.
NEXT = {
    "topic": 14, "again": 10, "stay": 14, "more": 13, "why": 14, "example": 12, "disagree": 8, "agree": 7, "thanks": 8,
    "opinion": 5, "clarify": 5, "sure": 5, "unknown": 4, "bye": 3, "short": 3,
}  # fmt: skip


@dataclass
class State:
    """What has been talked about so far, so that nothing is said twice while something else is left."""

    topic: Entry
    told: set[str] = field(default_factory=set)


class Composer:
    """Writes training conversations for one voice. The same random numbers give the same conversations."""

    def __init__(self, voice: str) -> None:
        self.voice = voice
        topics = read_topics()
        self.fallback = next(topic for topic in topics if topic.name == FALLBACK)
        self.topics = [topic for topic in topics if topic.name != FALLBACK]
        self.follow_ups = read_named("follow_ups")
        self.asks = read_named("asks")
        self.frames = read_named("frames")
        self.nouns = {topic.name: topic.noun for topic in topics}
        self.kinds = ["answer", *self.follow_ups]

    def conversation(self, random: Random) -> list[dict[str, str]]:
        """A whole conversation as chat messages, ending with an answer. Answers also say their topic and kind."""
        messages = self._system(random) if random.random() < 0.4 else []
        state = self._open(messages, random)
        for _ in range(random.choice(TURNS) - 1):
            state = self._continue(messages, state, random)
        return messages

    def opening(self, random: Random) -> list[dict[str, str]]:
        """One question and its answer, now and then after a system message."""
        messages = self._system(random) if random.random() < 0.4 else []
        self._open(messages, random)
        return messages

    def _system(self, random: Random) -> list[dict[str, str]]:
        text = expand(random.choice(self.frames["system"].all("q")), random)
        return [{"role": "system", "content": fill(text, {"noun": random.choice(self.topics).noun})}]

    def _say(self, messages: list[dict[str, str]], question: str, answer: str, topic: Entry, kind: str) -> None:
        spoken = {"role": "assistant", "content": answer, "topic": topic.name, "kind": kind}
        messages += [{"role": "user", "content": question}, spoken]

    def _open(self, messages: list[dict[str, str]], random: Random) -> State:
        topic = self.fallback if random.random() < 0.14 else random.choice(self.topics)
        state = State(topic)
        self._say(messages, self._question(topic, random), self._answer(state, random), topic, "answer")
        return state

    def _continue(self, messages: list[dict[str, str]], state: State, random: Random) -> State:
        kind = random.choices(list(NEXT), list(NEXT.values()))[0]
        if kind in ("topic", "unknown") or (kind == "stay" and state.topic.plain):
            fresh = kind == "topic" or (kind == "stay" and random.random() < 0.5)
            state = State(random.choice(self.topics) if fresh else self.fallback, state.told)
        if kind in ("topic", "unknown", "again") or (kind == "stay" and state.topic.plain):
            self._say(messages, self._question(state.topic, random), self._answer(state, random), state.topic, "answer")
        else:
            entry = self.follow_ups[kind]
            question = self._typed(fill(expand(random.choice(entry.all("q")), random), self._offer(random)), random)
            self._say(messages, question, self._follow_up(entry, state, random), state.topic, kind)
        return state

    def _offer(self, random: Random) -> dict[str, str]:
        first, second, third = random.sample(self.frames["offer"].all("q"), 3)
        return {"offer": f"{first}, {second} or {third}", "word": invented_word(random)}

    def _question(self, topic: Entry, random: Random) -> str:
        text = self._asked(topic, random)
        if not topic.plain and random.random() < 0.15:
            text = f"{text} {self._asked(topic, random)}"
        return self._typed(text, random, small=topic.plain)

    def _asked(self, topic: Entry, random: Random) -> str:
        if topic.keywords and random.random() < 0.45:
            ask = expand(random.choice(self.asks["about"].all("q")), random)
            return fill(ask, {"key": random.choice(topic.keywords)})
        return fill(expand(random.choice(topic.all("q")), random), {"word": invented_word(random)})

    def _typed(self, text: str, random: Random, small: bool = False) -> str:
        before = ("hi", "hello", "so") if small else self.frames["before"].all("q")
        after = ("please", "then", "today") if small else self.frames["after"].all("q")
        return typed(text, random, before, after)

    def _untold(self, texts: tuple[str, ...], state: State, random: Random) -> str:
        chosen = random.choice([text for text in texts if text not in state.told] or texts)
        state.told.add(chosen)
        return expand(chosen, random)

    def _answer(self, state: State, random: Random) -> str:
        text = fill(self._untold(state.topic.all(self.voice), state, random), self._offer(random)).strip()
        if state.topic.plain:
            return text
        # Never a phrase for any topic in front: a tiny model that has begun with one forgets its subject.
        if not text.endswith("?") and random.random() < 0.4:
            text = f"{text} {expand(random.choice(self.frames['closer'].all(self.voice)), random)}"
        return text

    def _follow_up(self, entry: Entry, state: State, random: Random) -> str:
        return self._untold(entry.all(self.voice), state, random).strip()
