"""What a process loads at its start is never looked through again."""

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
