"""The table of `rules.py`, as the framework asks it."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotation.api.models import ApiToken
from annotation.api.rules import may


class HasScope(BasePermission):
    """Refuses what the table does not name. `address` is the view's name in the table."""

    message = "The token has no scope for this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ApiToken) and may(request.auth, view.address, str(request.method))
