from celery import current_app
from django.apps import AppConfig, apps


class CommonConfig(AppConfig):
    name = "annotation.common"
    label = "common"
    verbose_name = "Common"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from annotation.common.periodic import beat_schedule  # noqa: PLC0415 - apps are only now all known

        ours = [app for app in apps.get_app_configs() if app.name.startswith(("annotation.", "models_serving."))]
        current_app.conf.beat_schedule = beat_schedule(ours)
