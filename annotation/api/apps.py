from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "annotation.api"
    label = "api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from annotation.api import schema  # noqa: F401, PLC0415 - it registers itself
