"""Ids as a release writes them: keyed pseudonyms, the same in every release of a study, and of no use elsewhere.

The key is the site's own. With another key every id is another one, and nothing in a release leads back to a row."""

from dataclasses import dataclass
from typing import Any, Literal

from django.utils.crypto import salted_hmac

from annotation.participation.models import Participation
from annotation.studies.models import Study

DIGITS = 16
Kind = Literal["person", "item", "candidate", "judgement", "assignment", "generation", "conversation", "turn"]


@dataclass(frozen=True)
class Names:
    """The pseudonyms of one study."""

    study: Study

    def of(self, kind: Kind, pk: Any) -> str:
        made = salted_hmac(f"exports/{self.study.pk}/{kind}", str(pk), algorithm="sha256")
        return made.hexdigest()[:DIGITS]

    def person(self, participation: Participation) -> str:
        """People who came with a published release keep the name that they have there."""
        return str(participation.imported.get("user_id") or self.of("person", participation.pk))
