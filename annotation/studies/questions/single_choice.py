"""One of several choices, all of them visible."""

from typing import ClassVar, Literal

from annotation.studies.questions.choices import OneChoice


class SingleChoice(OneChoice):
    """One choice."""

    template: ClassVar[str] = "studies/questions/single_choice.html"
    group: ClassVar[bool] = True
    kind: Literal["single_choice"] = "single_choice"
