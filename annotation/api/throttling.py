"""How often a token may ask."""

import time
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from annotation.api.models import ApiToken
from annotation.common.rate_limit import count_in_minute, hashed_address


class PerMinute(BaseThrottle):
    """So many requests within a minute of the clock: of a token, or of an address that shows none."""

    def allow_request(self, request: Request, view: Any) -> bool:
        token = request.auth
        who = token.pk.hex if isinstance(token, ApiToken) else hashed_address(request)
        return count_in_minute("api", who) <= settings.API_REQUESTS_PER_MINUTE

    def wait(self) -> float:
        return 60 - time.time() % 60
