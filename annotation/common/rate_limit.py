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
    # addresses are personal: the cache sees a hash that changes with every minute
    minute = int(time.time() // 60)
    address = hashlib.sha256(f"{minute}/{request.META.get('REMOTE_ADDR', '')}".encode()).hexdigest()[:24]
    key = f"limit/{name}/{address}"
    if cache.add(key, 1, timeout=120):
        return 1
    try:
        return cache.incr(key)
    except ValueError:
        # it expired between the two calls
        return 1
