"""`manage.py first_admin`: an administrator where there is none yet."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from annotation.accounts.services import create_first_admin


class Command(BaseCommand):
    help = (
        "Create the user 'admin' and print its password, once. Where an administrator exists it does and says nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if password := create_first_admin(now=timezone.now()):
            self.stdout.write(password)
