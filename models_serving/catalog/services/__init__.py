"""Writes of the catalogue: one module per noun."""

from models_serving.catalog.services.answering import Wish, real_answers
from models_serving.catalog.services.declaring import (
    DECLARED,
    REACHED_BY,
    DeclarationError,
    endpoint_problems,
    forget_standing,
    problems,
    register_models,
)
from models_serving.catalog.services.endpoints import (
    move_endpoint,
    own_endpoint,
    say_hello,
    say_hello_to,
)
from models_serving.catalog.services.health import (
    check_all_health,
    check_due_health,
    check_health,
    check_these,
    forget_old_times,
    unanswering,
)
from models_serving.catalog.services.revisions import record_revision
from models_serving.catalog.services.trials import begin_due_trials, begin_trial, examine_endpoint, run_trial

__all__ = [
    "DECLARED",
    "REACHED_BY",
    "DeclarationError",
    "Wish",
    "begin_due_trials",
    "begin_trial",
    "check_all_health",
    "check_due_health",
    "check_health",
    "check_these",
    "endpoint_problems",
    "examine_endpoint",
    "forget_old_times",
    "forget_standing",
    "move_endpoint",
    "own_endpoint",
    "problems",
    "real_answers",
    "record_revision",
    "register_models",
    "run_trial",
    "say_hello",
    "say_hello_to",
    "unanswering",
]
