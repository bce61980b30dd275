"""Who may do what with studies."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from annotation.accounts.models import User
from annotation.studies.models import Study


def can_see_draft(user: AbstractBaseUser | AnonymousUser, study: Study) -> bool:
    """Staff with the right to look at studies; of other people's, superusers alone."""
    if not isinstance(user, User) or not (user.is_active and user.is_staff and user.has_perm("studies.view_study")):
        return False
    return user.is_superuser or study.owner_id == user.pk
