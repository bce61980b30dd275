"""What a process loads at its start is never looked through again."""

import os
import subprocess
import sys


def test_a_web_process_and_a_worker_have_loaded_their_code_before_they_begin_and_set_it_aside() -> None:
    begun = [
        "import sys, gc",
        "import annotation.asgi",
        "web = gc.get_freeze_count(), 'annotation.conversations.views.talk' in sys.modules",
        "gc.unfreeze()",
        "from celery.signals import worker_ready",
        "from annotation.celery import app",
        "app.loader.import_default_modules()",
        "worker_ready.send(None)",
        "print(web[0] > 100_000, web[1], gc.get_freeze_count() > 100_000)",
    ]
    said = subprocess.run([sys.executable, "-c", "\n".join(begun)], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["True"] * 3


def test_a_web_process_is_ready_for_messages_before_the_first_comes_and_begins_without_its_broker() -> None:
    begun = [
        "import sys",
        "import annotation.asgi",
        "from annotation.celery import app",
        "from django.template.loader import engines",
        "from django.urls import get_resolver",
        "print('annotation.conversations.live_redis' in sys.modules, app._backend is not None)",
        "print(get_resolver()._populated)",
        "print(len(engines['django'].engine.template_loaders[0].get_template_cache) > 100)",
    ]
    nobody_there = os.environ | {"REDIS_URL": "redis://127.0.0.1:1", "CELERY_BROKER_URL": "redis://127.0.0.1:1"}
    script = "\n".join(begun)
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=nobody_there)
    assert said.stdout.split() == ["True"] * 4
