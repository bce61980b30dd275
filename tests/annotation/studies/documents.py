"""Small documents for tests."""

from typing import Any

TALK: dict[str, Any] = {
    "conversations": "chats",
    "count": 1,
    "opening": {"candidates": {"recipe": "distinct_models", "k": 2}, "protocol": "rate"},
    "turns": {"candidates": {"recipe": "same_model", "k": 2}, "protocol": "rate"},
}


def document(**changes: Any) -> dict[str, Any]:
    """A valid document with every kind of part; top-level keys can be replaced."""
    return {
        "study": "small",
        "title": "A small study",
        "consent": [{"version": "c-1", "text": "Words.", "statements": [{"name": "yes", "text": "I agree"}]}],
        "questions": {
            "use": {"kind": "single_choice", "text": "Do you use it?", "choices": ["Yes", "No"]},
            "often": {"kind": "short_text", "text": "How often?", "show_if": {"use": "Yes"}},
            "score": {"kind": "slider", "text": "How good?", "scale": {"min": 1, "max": 100}},
            "ideas": {"kind": "long_text", "text": "What else?"},
        },
        "protocols": {"rate": {"per_candidate": ["score"], "choice": {"from": "score"}}},
        "models": {"pool": ["one", "two"]},
        "steps": [
            {"consent": "c-1"},
            {"questionnaire": "survey", "pages": [["use", "often"]]},
            TALK | {"after": [{"name": "end", "questions": ["ideas"]}]},
            {"debrief": {"text": "Thanks."}},
        ],
    } | changes
