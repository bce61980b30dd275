"""One error for everything that the domain refuses. It becomes HTTP in the middleware for pages (or in a view that
knows where the way back is) and in the API's handler."""


class DomainError(Exception):
    """Something that the domain refuses. `status` is what a page answers with; the text may be shown to people."""

    status = 400

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class NotFoundError(DomainError):
    """It does not exist, or is not yours: the two look the same from outside."""

    status = 404


class ConflictError(DomainError):
    """The same key with another content, or a state that does not allow it any more."""

    status = 409


class DocumentError(DomainError):
    """A study document breaks the schema. `problems` are (path, what is wrong and what is allowed)."""

    status = 422

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems
