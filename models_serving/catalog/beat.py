"""What is done again and again."""

ENTRIES = {
    "check the health of served models": ("models_serving.catalog.tasks.check_all_health", 10.0),
    "forget how quick endpoints were the day before": ("models_serving.catalog.tasks.forget_old_first_tokens", 3600.0),
}
