"""What is done again and again."""

ENTRIES = {
    "check the health of served models": ("models_serving.catalog.tasks.check_all_health", 10.0, {"queue": "upkeep"}),
    "try what new endpoints can do": ("models_serving.catalog.tasks.begin_due_trials", 30.0),
    "forget how quick endpoints were the day before": ("models_serving.catalog.tasks.forget_old_times", 3600.0),
}
