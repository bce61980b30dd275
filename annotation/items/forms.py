"""Page input about item sets: a file, and what its columns are used for."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from annotation.accounts.models import User
from annotation.common.errors import DocumentError
from annotation.items.importing.mapping import ITEM_USES, LETTERS, PARTS, read_mapping
from annotation.items.models import ItemSet
from annotation.studies.models import Study
from annotation.studies.queries import draft_sets

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,79}$"


class UploadForm(forms.Form):
    """A file for an item set."""

    study = forms.ModelChoiceField(Study.objects.none(), widget=UnfoldAdminSelectWidget)
    name = forms.RegexField(
        NAME,
        label="Item set",
        widget=UnfoldAdminTextInputWidget(attrs={"list": "sets", "autocomplete": "off", "spellcheck": "false"}),
        help_text="As the study's document names it; the sets of the chosen study are offered. A set that is there "
        "already gets more items.",
        error_messages={"invalid": "Letters, digits, - and _ are allowed; the first is a letter."},
    )
    licence = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Of the items, such as CC-BY-4.0."
    )
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="JSON Lines, CSV, Parquet, or a zip archive with one of these and the images, sounds or films that "
        "its rows name. A dataset folder of the Hugging Face hub is sent as a zip archive, too.",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        studies = Study.objects.all() if user.is_superuser else Study.objects.filter(owner=user)
        self.fields["study"].queryset = studies  # type: ignore[attr-defined]  # a ModelChoiceField
        self.studies = studies

    def sets(self) -> list[tuple[Study, str]]:
        """Every set that a study's draft names, or that has items already, with its study."""
        there: dict[int, list[str]] = {}
        for study_id, name in ItemSet.objects.filter(study__in=self.studies).values_list("study_id", "name"):
            there.setdefault(study_id or 0, []).append(name)
        return [
            (study, name)
            for study in self.studies
            for name in dict.fromkeys([*draft_sets(study), *there.get(study.pk, ())])
        ]


class MappingForm(forms.Form):
    """One field a column: what it is used for."""

    def __init__(
        self,
        *args: Any,
        columns: list[list[str]],
        mapping: dict[str, str],
        remarks: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.columns, self.remarks = columns, remarks or {}
        attributes = {"list": "uses", "autocomplete": "off", "spellcheck": "false", "placeholder": "not used"}
        for number, (path, _, _) in enumerate(columns):
            self.fields[f"use_{number}"] = forms.CharField(
                required=False,
                max_length=120,
                label=path,
                initial=mapping.get(path, ""),
                widget=UnfoldAdminTextInputWidget(attrs=attributes),
            )

    def clean(self) -> dict[str, Any]:
        """The mapping as a whole has to make sense; a mistake stands beside its column."""
        given = super().clean() or {}
        paths = [path for path, _, _ in self.columns]
        uses = {path: str(given.get(f"use_{number}", "")).strip() for number, path in enumerate(paths)}
        try:
            self.mapping = read_mapping(uses).as_dict()
        except DocumentError as error:
            for path, text in error.problems:
                self.add_error(f"use_{paths.index(path)}" if path in paths else None, text)
        return given

    def rows(self) -> list[tuple[Any, str, str, str]]:
        """Field, kind, sample and remark of each column."""
        return [
            (self[f"use_{number}"], kind, sample, self.remarks.get(path, ""))
            for number, (path, kind, sample) in enumerate(self.columns)
        ]


def uses_offered() -> list[tuple[str, str]]:
    """What is offered for a column, with what it does."""
    item = [*ITEM_USES.items(), ("tag", "tag"), ("gold:question", "the right answer to that question")]
    slots = ((letter, f"answer {letter}") for letter in LETTERS[:4])
    lettered = [(f"{slot}.{part}", f"{about}: {does}") for slot, about in slots for part, does in PARTS.items()]
    return [*item, *lettered, *((f"each.{part}", f"each of a list: {does}") for part, does in PARTS.items())]
