from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from models_serving.addresses import policy_of
from models_serving.client import OutboundError, set_guard


class CatalogConfig(AppConfig):
    name = "models_serving.catalog"
    label = "catalog"
    verbose_name = "Served models"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # every process of the platform: web, workers, commands
        try:
            urls = [settings.MODEL_SERVER_URL] if settings.MODEL_SERVER_URL else []
            set_guard(policy_of(settings.PRIVATE_MODEL_HOSTS, "PRIVATE_MODEL_HOSTS", urls))
        except OutboundError as error:
            raise ImproperlyConfigured(f"MODEL_SERVER_URL: {error}") from error
        except ValueError as error:
            raise ImproperlyConfigured(str(error)) from error
