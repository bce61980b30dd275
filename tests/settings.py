"""The platform's own settings in a place of their own: nothing of a developer's environment or data reaches a test,
and no test leaves anything behind. `DATABASE_URL` and `REDIS_URL` choose the servers, as in production."""

import atexit
import os
import shutil
import tempfile
from urllib.parse import urlsplit

_PLACE = tempfile.mkdtemp(prefix="plurivox-test-")
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)
os.environ["DATA_DIR"] = _PLACE
for _name in ("PRODUCTION", "DEBUG", "SECRET_KEY", "SECRET_KEY_FILE", "ALLOWED_HOSTS", "CELERY_BROKER_URL", "MODELS"):
    os.environ.pop(_name, None)
os.environ["STATICFILES_BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
if "REDIS_URL" in os.environ:
    # each pytest-xdist process has a Redis database of its own, like its own SQL database
    _number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{_number}").geturl()

from annotation.settings import *  # noqa: E402, F403 - only after the environment is set
from annotation.settings import CELERY_BROKER_URL, DATABASES  # noqa: E402 - likewise

# Messages go nowhere unless a test asks for `live_site`, which puts the real broker back and starts a real worker.
LIVE_BROKER = (CELERY_BROKER_URL, globals().get("CELERY_BROKER_TRANSPORT_OPTIONS", {}))
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"] == "annotation.common.sqlite":
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
# Static files come straight from the tree: nothing has to be collected before a page can be asked for.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
