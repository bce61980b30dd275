"""The web process: `uvicorn annotation.asgi:application`."""

import os
from importlib import import_module

from django.conf import settings
from django.core.asgi import get_asgi_application

from annotation.common.memory import keep_for_good

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.settings")
application = get_asgi_application()
# or the first request would load all pages, while somebody waits
import_module(settings.ROOT_URLCONF)
keep_for_good()
