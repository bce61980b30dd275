"""Who may do what through the API. What is not in the table is refused."""

from django.db.models import Q

from annotation.accounts.models import User
from annotation.api.models import ApiToken
from annotation.participation.models import Participation
from annotation.studies.models import Study

READ, ITEMS, JUDGE, EXPORT = (str(scope) for scope in ApiToken.Scope)
Table = dict[str, dict[str, frozenset[str]]]


def _any(*scopes: str) -> frozenset[str]:
    return frozenset(scopes)


# name of the address → method → any of these scopes will do
MAY: Table = {
    "token": {"GET": _any(READ, ITEMS, JUDGE, EXPORT)},
    "study-schema": {"GET": _any(READ, ITEMS, EXPORT)},
    "studies": {"GET": _any(READ, ITEMS, EXPORT)},
    "study": {"GET": _any(READ, ITEMS, EXPORT)},
    "versions": {"GET": _any(READ, ITEMS, EXPORT)},
    "version": {"GET": _any(READ, ITEMS, EXPORT)},
    "item-sets": {"GET": _any(READ, ITEMS), "POST": _any(ITEMS)},
    "item-set": {"GET": _any(READ, ITEMS)},
    "set-items": {"GET": _any(READ, ITEMS), "POST": _any(ITEMS)},
    "set-jobs": {"GET": _any(READ, ITEMS)},
    "uploads": {"POST": _any(ITEMS)},
    "set-job": {"GET": _any(READ, ITEMS)},
    "check-job": {"POST": _any(ITEMS)},
    "import-job": {"POST": _any(ITEMS)},
    "cancel-job": {"POST": _any(ITEMS)},
    "item": {"GET": _any(READ, ITEMS)},
    "assignments": {"GET": _any(READ)},
    "assignment": {"GET": _any(READ)},
    "lease": {"POST": _any(JUDGE)},
    "card": {"GET": _any(JUDGE)},
    "before": {"POST": _any(JUDGE)},
    "submit": {"POST": _any(JUDGE)},
    "change": {"POST": _any(JUDGE)},
    "medium": {"GET": _any(JUDGE)},
    "heartbeat": {"POST": _any(JUDGE)},
    "give-back": {"POST": _any(JUDGE)},
    "skip": {"POST": _any(JUDGE)},
    "judgements": {"GET": _any(READ)},
    "judgement": {"GET": _any(READ)},
    "annotators": {"GET": _any(READ)},
    "annotator": {"GET": _any(READ)},
    "conversations": {"GET": _any(READ)},
    "conversation": {"GET": _any(READ)},
    "exports": {"GET": _any(EXPORT), "POST": _any(EXPORT)},
    "export": {"GET": _any(EXPORT)},
    "export-file": {"GET": _any(EXPORT)},
}


def may(token: ApiToken, address: str, method: str) -> bool:
    """Whether the token's scopes allow that method at the address of that name."""
    # whoever may read may ask what a reading would answer
    asked = "GET" if method == "HEAD" else method
    return bool(MAY.get(address, {}).get(asked, frozenset()) & set(token.scopes))


def opens(token: ApiToken, to_study: str = "") -> Q:
    """Rows that the token can reach, `to_study` being the way from the row to its study (`"study"`, `"item__…"`).

    Only what its owner can reach: their own studies, or all for a superuser. Asked at each request, so that a study
    that changes hands is closed to the tokens of its former owner."""
    way = f"{to_study}__" if to_study else ""
    reach = Q() if token.owner.is_superuser else Q(**{f"{way}owner": token.owner_id})
    return reach if token.study_id is None else reach & Q(**{f"{way}pk": token.study_id})


def is_seen(to_person: str = "") -> Q:
    """Rows of people who have not withdrawn."""
    way = f"{to_person}__" if to_person else ""
    return ~Q(**{f"{way}state": Participation.State.WITHDRAWN})


def may_own_tokens_of(user: User, study: Study) -> bool:
    """Whether somebody can make a token that opens that study."""
    return user.is_superuser or study.owner_id == user.pk
