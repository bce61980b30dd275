"""The web process: `uvicorn annotation.asgi:application`."""

import os
from contextlib import suppress

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.template.loader import get_template
from django.urls import reverse
from kombu.exceptions import OperationalError

from annotation.celery import app
from annotation.common.memory import keep_for_good


def be_ready() -> None:
    """Load what the first requests and the first message would load, while somebody waits: pages and their addresses,
    templates, what sends jobs, and what follows their answers. A broker that is not there is found later."""
    from annotation.conversations.live import turn_log  # noqa: PLC0415 - Django has to be set up
    from annotation.conversations.tasks import generate_candidate  # noqa: PLC0415 - as above

    reverse("healthz")
    folder = settings.BASE_DIR / "templates"
    for template in sorted(folder.rglob("*.html")):
        get_template(str(template.relative_to(folder)))
    turn_log()
    queue = settings.CELERY_TASK_ROUTES[generate_candidate.name]["queue"]
    with suppress(OperationalError), app.producer_or_acquire() as producer:
        producer.connection.ensure_connection(max_retries=1, interval_start=0)
        producer.maybe_declare(app.amqp.queues[queue])
    app.backend  # noqa: B018 - made when it is first asked for


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.settings")
application = get_asgi_application()
be_ready()
keep_for_good()
