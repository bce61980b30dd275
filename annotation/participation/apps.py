from django.apps import AppConfig


class ParticipationConfig(AppConfig):
    name = "annotation.participation"
    label = "participation"
    verbose_name = "Participation"
    default_auto_field = "django.db.models.BigAutoField"
