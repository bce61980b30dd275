"""A small limit on how often one address may do something, counted in the shared cache."""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from annotation.common.views import error_page

View = Callable[..., HttpResponse]


def limited(
    name: str, *, per_minute: Callable[[], int], unless: Callable[[HttpRequest], bool]
) -> Callable[[View], View]:
    """Answers 429 from the `per_minute`-th request of an address within a minute on, except where `unless` holds."""

    def decorate(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not unless(request) and _count(name, request) > per_minute():
                response = error_page(request, 429)
                response["Retry-After"] = "60"
                return response
            return view(request, *args, **kwargs)

        return inner

    return decorate


def _count(name: str, request: HttpRequest) -> int:
    return count_in_minute(name, hashed_address(request))


def hashed_address(request: HttpRequest) -> str:
    """Where a request came from. Addresses are personal: the cache sees a hash that changes with every minute."""
    minute = int(time.time() // 60)
    return hashlib.sha256(f"{minute}/{request.META.get('REMOTE_ADDR', '')}".encode()).hexdigest()[:24]


def count_in_minute(name: str, who: str) -> int:
    """Count one more, and say how many there were in this minute of the clock."""
    key = f"limit/{name}/{int(time.time() // 60)}/{who}"
    if cache.add(key, 1, timeout=120):
        return 1
    try:
        return cache.incr(key)
    except ValueError:
        # it expired between the two calls
        return 1
