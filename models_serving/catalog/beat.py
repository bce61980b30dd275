"""What is done again and again."""

ENTRIES = {"check the health of served models": ("models_serving.catalog.tasks.check_all_health", 10.0)}
