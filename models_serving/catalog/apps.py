from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "models_serving.catalog"
    label = "catalog"
    verbose_name = "Served models"
    default_auto_field = "django.db.models.BigAutoField"
