from django.apps import AppConfig


class AssignmentsConfig(AppConfig):
    name = "annotation.assignments"
    label = "assignments"
    verbose_name = "Assignments"
    default_auto_field = "django.db.models.BigAutoField"
