"""What a panel's link brings along, by the names that the document gives its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from annotation.studies.document.root import Panel
from annotation.studies.models import Study
from annotation.studies.queries import document_of

LONGEST = 200


def provider_of(study: Study, *, rehearsal: bool) -> str:
    """Whose ids they are. Prolific's name the same person everywhere; those of any other panel may mean somebody else
    in another study. A bot never meets a person's identity."""
    kind = document_of(study.current).panel.kind if study.current else "none"
    return ("rehearsal:" if rehearsal else "") + (kind if kind == "prolific" else f"{kind}:{study.pk}")


@dataclass(frozen=True, slots=True)
class PanelIds:
    """The panel's ids of the person, its study and its submission; empty where the link has none."""

    person: str = ""
    study: str = ""
    session: str = ""


def panel_ids(panel: Panel, parameters: Mapping[str, str]) -> PanelIds:
    """The ids in a link or a form."""
    return PanelIds(
        person=_clean(parameters.get(panel.person, "")),
        study=_clean(parameters.get(panel.study, "")),
        session=_clean(parameters.get(panel.session, "")),
    )


def parameters(panel: Panel, ids: PanelIds) -> dict[str, str]:
    """Parameter name → id, for those that are there: what the start form carries on."""
    named = {panel.person: ids.person, panel.study: ids.study, panel.session: ids.session}
    return {name: value for name, value in named.items() if value}


def _clean(value: str) -> str:
    """A placeholder that nobody filled in ({{%PROLIFIC_PID%}}), an over-long or an unprintable id is no id."""
    value = value.strip()
    return value if len(value) <= LONGEST and value.isprintable() and "{" not in value else ""
