"""Makes written questions look typed: no punctuation, slips of the finger, greetings in front, a story behind.

Everything is lower case already, since the chat template lowers what the person wrote.
"""

from random import Random

NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
SYLLABLES = (
    "ba", "den", "kor", "mi", "tal", "pe", "ros", "vin", "lu", "gar", "sho", "tek", "na", "bri", "quil", "zo", "fen",
    "mar", "du", "pli", "os", "er", "an", "it", "el", "ka", "ven", "sti",
)  # fmt: skip


def invented_word(random: Random) -> str:
    """A word that no topic knows, so that the model meets words that mean nothing to it."""
    return "".join(random.choice(SYLLABLES) for _ in range(random.randint(1, 4)))


def slip(word: str, random: Random) -> str:
    """The word with one slip: a letter swapped, dropped, doubled or hit beside."""
    if len(word) < 4:
        return word
    at = random.randrange(1, len(word) - 1)
    match random.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + random.choice(NEIGHBOURS.get(word[at], word[at])) + word[at + 1 :]


def _mangle(word: str, random: Random) -> str:
    roll = random.random()
    if roll < 0.03:
        return slip(word, random)
    if roll < 0.05:
        return invented_word(random)
    return "" if roll < 0.07 else word


def typed(text: str, random: Random, before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """The text as somebody might type it; `before` and `after` are phrases that may stand around it."""
    text = text.lower()
    if random.random() < 0.4:
        words = [_mangle(word, random) for word in text.split()]
        text = " ".join(word for word in words if word) or text
    if random.random() < 0.25:
        text = f"{random.choice(before)} {text}"
    if random.random() < 0.2:
        text = f"{text.rstrip()} {random.choice(after)}"
    return _punctuate(text, random)


def _punctuate(text: str, random: Random) -> str:
    roll = random.random()
    if roll < 0.3:
        text = text.rstrip(".?!")
    elif roll < 0.4:
        text = "".join(letter for letter in text if letter not in ".,?!'\"")
    elif roll < 0.45:
        text = text.rstrip(".?!") + random.choice(("...", "??", " ?", "!", "!!", " .."))
    if random.random() < 0.05:
        text = text.replace(". ", ".").replace("! ", "!").replace(", ", ",")
    return " ".join(text.split())
