from django.apps import AppConfig


class JudgementsConfig(AppConfig):
    name = "annotation.judgements"
    label = "judgements"
    verbose_name = "Judgements"
    default_auto_field = "django.db.models.BigAutoField"
