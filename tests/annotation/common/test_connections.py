"""Connections to PostgreSQL, of which a process keeps a few for all of its threads."""

import os
import subprocess
import sys

# whoever makes the pool connects to nobody yet
POOL = "import django; django.setup(); from django.db import connection as c; print(c.pool.max_size, c.pool.timeout)"


def test_a_process_keeps_as_many_connections_as_it_is_told_and_whoever_waits_for_one_waits_for_a_minute() -> None:
    told = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DATABASE_POOL": "3"}
    environment = os.environ | told | {"DJANGO_SETTINGS_MODULE": "annotation.settings"}
    said = subprocess.run([sys.executable, "-c", POOL], check=True, capture_output=True, text=True, env=environment)
    assert said.stdout.split() == ["3", "60"]
