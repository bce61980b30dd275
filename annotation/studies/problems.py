"""Mistakes that carry their path: what checks of a document raise."""

from collections.abc import Iterable


def among(known: Iterable[str]) -> str:
    """What is allowed instead, as the end of a sentence."""
    return f"; allowed are {', '.join(sorted(known)) or 'none'}"


class MistakeError(ValueError):
    """A mistake at `path` below the part that is being checked."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


class DocumentProblemsError(ValueError):
    """`problems` are (path, what is wrong and what is allowed)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems
