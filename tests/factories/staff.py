"""Staff with a signed-in browser, for tests."""

from django.test import Client

from annotation.accounts.models import User


def admin_browser() -> Client:
    """Signed in with every right."""
    known = User.objects.filter(username="root").first()
    return _signed_in(known or User.objects.create_superuser("root", "root@example.org", "a good password"))


def stranger_browser() -> Client:
    """Staff without a single right."""
    return _signed_in(User.objects.create_user("visitor", "v@example.org", "a good password", is_staff=True))


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
