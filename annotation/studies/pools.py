"""Pools: the groups that people belong to by the link they came with. A link into a pool is signed, so that nobody
chooses theirs; without one people belong to the first pool of the document."""

from django.core import signing

from annotation.studies.document import StudyDocument

PARAMETER = "pool"
SALT = "pool"


def pool_token(study: str, pool: str) -> str:
    """What stands in a link into that pool. The same at any time, so that a link that was given out stays valid."""
    return signing.Signer(salt=SALT).sign_object([study, pool])


def pool_in(document: StudyDocument, token: str) -> str:
    """The pool that a link names; empty where the token is not ours, is another study's, or names no pool now."""
    try:
        signed = signing.Signer(salt=SALT).unsign_object(token)
    except (signing.BadSignature, ValueError):
        return ""
    study, pool = signed if isinstance(signed, list) and len(signed) == 2 else ("", "")
    return pool if study == document.study and pool in document.pools else ""


def pool_of_newcomer(document: StudyDocument, asked: str, *, bot: bool, ordinal: int) -> str:
    """Bots that come without a link into a pool are dealt out over all of them, so that a rehearsal tries each."""
    if not document.pools:
        return ""
    return asked or document.pools[ordinal % len(document.pools) if bot else 0]
