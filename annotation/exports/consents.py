"""Which rows a person's consents cover. A row goes out only if every consent that stood before its step was given, and
if the statements about release that the consent offered were ticked."""

from collections.abc import Iterable, Mapping

from annotation.studies.document import StudyDocument
from annotation.studies.document.root import Consent
from annotation.studies.document.steps import ConsentStep

# optional statements with these names are separate ticks: without the tick nothing of the person is released
RELEASE_STATEMENTS = frozenset({"reuse", "disclosure"})

Ticked = Mapping[str, Mapping[str, str]]
"""Consent version → statement name → its text as ticked."""


def covered_steps(document: StudyDocument, ticked: Ticked) -> frozenset[str]:
    """Names of the steps whose rows may go out."""
    covered: set[str] = set()
    for step in document.steps:
        if isinstance(step, ConsentStep):
            if not _is_given(_consent(document.consent, step.name), ticked.get(step.name, {})):
                break
        else:
            covered.add(step.name)
    return frozenset(covered)


def _consent(consents: Iterable[Consent], version: str) -> Consent:
    return next(consent for consent in consents if consent.version == version)


def _is_given(consent: Consent, ticked: Mapping[str, str]) -> bool:
    needed = [part.name for part in consent.statements if part.required or part.name in RELEASE_STATEMENTS]
    return bool(ticked) and all(name in ticked for name in needed)
