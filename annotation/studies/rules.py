"""Who may do what with studies."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from annotation.accounts.models import User


def can_see_drafts(user: AbstractBaseUser | AnonymousUser) -> bool:
    return isinstance(user, User) and user.is_active and user.is_staff and user.has_perm("studies.view_study")
