"""One settings file. Everything that differs between installations is an environment variable (see README)."""

from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from annotation.admin_look import UNFOLD  # noqa: F401 - a setting
from annotation.env import read_bool, read_int, read_list, read_models, read_secret, read_text

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(read_text("DATA_DIR", str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

PRODUCTION = read_bool("PRODUCTION")
DEBUG = read_bool("DEBUG")
SECRET_KEY = read_secret("SECRET_KEY", None if PRODUCTION else DATA_DIR / "secret.key")
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")
if PRODUCTION and (DEBUG or not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("PRODUCTION refuses DEBUG, an empty ALLOWED_HOSTS and '*'")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "models_serving.catalog",
    "annotation.common",
    "annotation.accounts",
    "annotation.studies",
    "annotation.items",
    "annotation.participation",
    "annotation.assignments",
    "annotation.judgements",
    "annotation.conversations",
    "annotation.quality",
    "annotation.exports",
    "annotation.api",
]

MIDDLEWARE = [
    "annotation.common.middleware.request_ids",
    "django.middleware.security.SecurityMiddleware",
    "annotation.common.static_files.static_files",
    "csp.middleware.CSPMiddleware",
    "annotation.common.middleware.admin_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "annotation.common.middleware.form_redirects",
    "annotation.common.middleware.domain_errors",
]

ROOT_URLCONF = "annotation.urls"
ASGI_APPLICATION = "annotation.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# ---- storage -------------------------------------------------------------------------------------------------------
_database_env = environ.Env()
DATABASES: dict[str, dict[str, Any]] = {
    "default": _database_env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # threads of one process wait for their turn in a line
    DATABASES["default"]["ENGINE"] = "annotation.common.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        # writers queue at BEGIN instead of failing when a read turns into a write
        "transaction_mode": "IMMEDIATE",
        # waiting writers are not served in order: on a busy machine one of many can be passed over for long
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    # an in-memory test database cannot be shared by processes and threads
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # a request's thread ends with it, so connections are kept by the process
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": read_int("DATABASE_POOL", 20, least=1),
        # as long as with SQLite: who waits for their turn gets it, and an error would only be tried again
        "timeout": 60,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

REDIS_URL = read_text("REDIS_URL")
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": DATA_DIR / "cache"}
    )
}
# the replayable log of a live turn: files in DATA_DIR, or Redis Streams where REDIS_URL is set
TURN_LOG_DIR = DATA_DIR / "turns"
EXPORTS_DIR = DATA_DIR / "exports"

# ---- jobs ----------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = read_text("CELERY_BROKER_URL", REDIS_URL or "filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem://"):
    _queue, _done = DATA_DIR / "broker" / "queue", DATA_DIR / "broker" / "done"
    for _folder in (_queue, _done):
        _folder.mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "processed_folder": str(_done),
        "control_folder": str(DATA_DIR / "broker" / "control"),
        "store_processed": True,
        # messages ring; this is for a worker that was full when one came
        "polling_interval": 0.02,
    }
CELERY_TASK_IGNORE_RESULT = True
# a worker takes no more messages than it has threads: what waits in one could run in another
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "annotation.conversations.tasks.generate_candidate": {"queue": "generation"},
    # behind the answers of others it would come too late
    "annotation.conversations.tasks.stop_answers": {"queue": "upkeep"},
    "annotation.items.tasks.run_batch": {"queue": "generation"},
    # it waits for a dozen answers
    "models_serving.catalog.tasks.try_endpoint": {"queue": "generation"},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_ALWAYS_EAGER = read_bool("CELERY_TASK_ALWAYS_EAGER")
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# ---- models --------------------------------------------------------------------------------------------------------
# the ports follow each other, so that PORT alone tells two sites on one machine apart
PORT = read_int("PORT", 8000, least=1)
HOST = read_text("HOST", "127.0.0.1")
MODEL_SERVER_PORT = read_int("MODEL_SERVER_PORT", PORT + 100, least=1)
# a server that is there already; otherwise `manage.py up` starts our own
OUTSIDE_MODEL_SERVER = read_text("MODEL_SERVER_URL")
MODEL_SERVER_URL = OUTSIDE_MODEL_SERVER or f"http://127.0.0.1:{MODEL_SERVER_PORT}/v1"
MODEL_SERVER_KEY_ENV = "MODELS_SERVING_API_KEY"
MODELS = read_models("MODELS")
MODERATION_URL = read_text("MODERATION_URL")
# servers of our own network that the catalogue may name; those that a setting names may stand anywhere
PRIVATE_MODEL_HOSTS = read_list("PRIVATE_MODEL_HOSTS", "" if PRODUCTION else "127.0.0.0/8,::1")
MODERATION_API_KEY_ENV = "MODERATION_API_KEY"

# ---- taking part ---------------------------------------------------------------------------------------------------
# longer than the panel's own maximum time
SEAT_TIMEOUT_HOURS = read_int("SEAT_TIMEOUT_HOURS", 24, least=1)
STARTS_PER_MINUTE = read_int("STARTS_PER_MINUTE", 120, least=1)

# ---- the machine's door --------------------------------------------------------------------------------------------
API_REQUESTS_PER_MINUTE = read_int("API_REQUESTS_PER_MINUTE", 1_200, least=1)
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "annotation.api.problems.answer",
    "UNAUTHENTICATED_USER": None,
    # an address that does not say who may is closed
    "DEFAULT_AUTHENTICATION_CLASSES": ["annotation.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["annotation.api.permissions.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "annotation.api.schema.Described",
    # no word of a query changes the format
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Plurivox",
    "DESCRIPTION": "What people's pages and the admin do, for scripts and for AI judges. Show a token with every "
    "request: `Authorization: Bearer pv_…`.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AnnotatorKind": "annotation.accounts.models.Annotator.Kind",
        "AnnotatorState": "annotation.participation.models.Participation.State",
        "AssignmentState": "annotation.assignments.models.Assignment.State",
        "CandidateState": "annotation.items.models.Candidate.State",
        "ConversationState": "annotation.conversations.models.Conversation.State",
        "ExportState": "annotation.exports.models.ExportRun.State",
        "JobKind": "annotation.items.models.SetJob.Kind",
        "JobState": "annotation.items.models.SetJob.State",
        "StudyState": "annotation.studies.models.Study.State",
        "TurnState": "annotation.conversations.models.Turn.State",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["annotation.api.schema.with_problems", "drf_spectacular.hooks.postprocess_schema_enums"],
}

# ---- pages ---------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "annotation" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": read_text("STATICFILES_BACKEND", "whitenoise.storage.CompressedManifestStaticFilesStorage")
    },
}
MEDIA_ROOT = DATA_DIR / "media"
# uploads that wait for their import, and what archives among them were unpacked to
IMPORTS_DIR = DATA_DIR / "imports"
IMPORT_MAX_MB = read_int("IMPORT_MAX_MB", 2048, least=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
LOGIN_URL = "admin:login"
# who signs in without having been led there
LOGIN_REDIRECT_URL = "admin:index"
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

# ---- security ------------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, *read_list("FORM_ACTION_ORIGINS")],
    }
}
# the admin's own widgets (unfold, Alpine) evaluate expressions and write styles; participants' pages never do
ADMIN_CONTENT_SECURITY_POLICY = {
    "default-src": [SELF],
    "script-src": [SELF, "'unsafe-eval'", NONCE],
    "style-src": [SELF, "'unsafe-inline'"],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
SESSION_COOKIE_NAME = "plurivox"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "annotation.common.views.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
if PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = read_bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]
    SECURE_HSTS_SECONDS = read_int("SECURE_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    if read_bool("BEHIND_TLS_PROXY"):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


# ---- logs: ids, never text -----------------------------------------------------------------------------------------
LOG_LEVEL = read_text("LOG_LEVEL", "INFO").upper()
_log_steps: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if read_bool("LOG_JSON", default=PRODUCTION)
            # plain: a traceback with its variables would carry what people wrote
            else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            "foreign_pre_chain": _log_steps,
        }
    },
    "filters": {"not_ready_is_no_error": {"()": "annotation.common.logs.LeaveOutReadiness"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "django.request": {"filters": ["not_ready_is_no_error"]},
    },
}
structlog.configure(
    processors=[*_log_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
