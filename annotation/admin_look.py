"""How the admin looks: its colours, and where a researcher finds what."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

PRIMARY = {
    "50": "oklch(97.5% .015 175)",
    "100": "oklch(94% .035 175)",
    "200": "oklch(88% .06 175)",
    "300": "oklch(80% .085 175)",
    "400": "oklch(70% .095 175)",
    "500": "oklch(55% .09 175)",
    "600": "oklch(45% .08 175)",
    "700": "oklch(40% .07 175)",
    "800": "oklch(34% .06 175)",
    "900": "oklch(29% .05 175)",
    "950": "oklch(22% .04 175)",
}
# group → (title, icon of Material Symbols, app_model)
GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "Studies": [
        ("Studies", "science", "studies_study"),
        ("Published versions", "verified", "studies_studyversion"),
    ],
    "People": [
        ("Participations", "how_to_reg", "participation_participation"),
        ("Quotas", "groups", "participation_quotacell"),
        ("Withdrawals", "person_remove", "participation_withdrawal"),
        ("Pseudonyms", "badge", "accounts_annotator"),
    ],
    "What they said": [
        ("Conversations", "forum", "conversations_conversation"),
        ("Judgements", "balance", "judgements_judgement"),
        ("Quality flags", "flag", "quality_flag"),
        ("Places of steps", "event_seat", "assignments_stepplaces"),
        ("Assignments", "assignment", "assignments_assignment"),
        ("Showings", "visibility", "assignments_presentation"),
    ],
    "What they judged": [
        ("Item sets", "folder_open", "items_itemset"),
        ("Imports and generations", "upload_file", "items_setjob"),
        ("Items", "inventory_2", "items_item"),
        ("Candidates", "list_alt", "items_candidate"),
        ("Generations", "bolt", "items_generation"),
    ],
    "Models": [
        ("Served models", "dns", "catalog_servedmodel"),
        ("Revisions", "history", "catalog_modelrevision"),
    ],
    "Data out": [
        ("Export schedules", "schedule", "exports_exportschedule"),
        ("Releases", "package_2", "exports_exportrun"),
    ],
    "Administration": [
        ("Staff", "manage_accounts", "accounts_user"),
        ("Groups", "group_work", "auth_group"),
        ("API tokens", "key", "api_apitoken"),
        ("Identities", "fingerprint", "accounts_identity"),
        ("Audit log", "receipt_long", "accounts_auditentry"),
        ("Periodic jobs", "update", "django_celery_beat_periodictask"),
        ("Times of day", "alarm", "django_celery_beat_crontabschedule"),
    ],
}


def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    app, _, _ = model.rpartition("_")

    def may_see(request: Any) -> bool:
        return bool(request.user.has_module_perms(app))

    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist"), "permission": may_see}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Plurivox",
    "SITE_HEADER": "Plurivox",
    "SITE_ICON": lambda request: static("img/mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}],
    "STYLES": [lambda request: static("css/admin.css")],
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "annotation.front_page.dashboard",
    "COLORS": {"primary": PRIMARY},
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {"title": title, "separator": True, "items": [_entry(*entry) for entry in entries]}
            for title, entries in GROUPS.items()
        ],
    },
}
