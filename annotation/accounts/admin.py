"""Staff, pseudonyms, identities apart, and the audit log."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from annotation.accounts.models import Annotator, AuditEntry, Identity, User
from annotation.common.admin import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold ships no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    pass


@admin.register(Annotator)
class AnnotatorAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "created_at"]
    list_filter = ["kind"]
    search_fields = ["id"]


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    """Only superusers: the one table that says who somebody is outside."""

    list_display = ["annotator", "provider", "external_id", "created_at"]
    list_filter = ["provider"]
    search_fields = ["external_id"]
    list_select_related = ["annotator"]

    def has_view_permission(self, request, obj=None) -> bool:  # type: ignore[no-untyped-def]  # as unfold has it
        return bool(request.user.is_superuser)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor", "action", "subject"]
    list_filter = ["action"]
    search_fields = ["actor", "subject"]
    date_hierarchy = "at"
