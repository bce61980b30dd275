"""The job process: `celery -A annotation worker`. Every job is a database row first; a message carries its id."""

import os

from celery import Celery
from celery.signals import worker_ready

from annotation.common.file_broker import use_whole_files
from annotation.common.memory import keep_for_good

use_whole_files()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.settings")
app = Celery("annotation")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def _begin(**_: object) -> None:
    keep_for_good()
