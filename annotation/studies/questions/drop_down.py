"""One of a long list, searchable: own choices, or every country or language by its ISO code."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Fields
from annotation.studies.questions.choices import OneChoice
from annotation.studies.questions.iso import countries, languages
from annotation.studies.texts import Text, in_language


class DropDown(OneChoice):
    """One choice out of a list that opens. `source` gives ISO 3166 countries or ISO 639 languages as three-letter
    codes with their names."""

    template: ClassVar[str] = "studies/questions/drop_down.html"
    kind: Literal["drop_down"] = "drop_down"
    source: Literal["countries", "languages"] | None = None
    placeholder: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "DropDown":
        if self.source and self.choices:
            raise MistakeError("choices", "give either choices or source")
        if self.source and self.shuffle != "none":
            raise MistakeError("shuffle", "a list of countries or languages is always in alphabetical order")
        return self

    def listed(self, language: str) -> Mapping[str, str]:
        if self.source == "countries":
            return countries(language)
        if self.source == "languages":
            return languages(language)
        return super().listed(language)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        own = {"placeholder": in_language(self.placeholder, language)}
        return super().widget(prefix, fields, order, language) | own
