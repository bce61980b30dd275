"""Several mistakes at once, each with its path: what the cross-checks of a document raise."""


class DocumentProblemsError(ValueError):
    """`problems` are (path, what is wrong and what is allowed)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems
