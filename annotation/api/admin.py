"""Tokens: made here, shown once, closed here. A researcher sees their own, superusers see all."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from annotation.api.forms import TokenForm
from annotation.api.models import ApiToken
from annotation.api.services.tokens import create_token, revoke_token
from annotation.common.admin import ReadOnlyAdmin
from annotation.studies.models import Study
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter


@admin.register(ApiToken)
class ApiTokenAdmin(OfOwnStudies, ReadOnlyAdmin):
    owner = "owner"
    form = TokenForm
    list_display: ClassVar[list[str]] = [
        "name",
        "prefix",
        "owner",
        "study",
        "what_for",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_select_related: ClassVar[list[str]] = ["owner", "study"]
    list_filter: ClassVar[list[Any]] = [("study", OwnStudiesFilter)]
    search_fields: ClassVar[list[str]] = ["name", "prefix"]
    actions: ClassVar[list[str]] = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        asked = list(TokenForm.Meta.fields)
        return [*asked, "prefix", "owner", "created_at", "last_used_at", "revoked_at"] if obj else asked

    # -- making one ----------------------------------------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("api.add_apitoken"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return type("OwnTokenForm", (super().get_form(request, obj, change, **kwargs),), {"owner": request.user})

    def formfield_for_foreignkey(self, field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if field.name == "study" and not request.user.is_superuser:
            kwargs["queryset"] = Study.objects.filter(owner=request.user.pk)
        return super().formfield_for_foreignkey(field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: "ModelForm[Any]", change: bool) -> None:
        """The service makes the row; the page that follows shows the token, and nothing does again."""
        assert isinstance(form, TokenForm)  # noqa: S101 - the only form of this admin
        asked = form.cleaned_data
        made, secret = create_token(
            name=asked["name"],
            owner=form.owner,
            scopes=asked["scopes"],
            study=asked["study"],
            judging=form.judging(),
            expires_at=asked["expires_at"],
            now=timezone.now(),
        )
        # the admin goes on with the object that the form made
        obj.__dict__.update({key: value for key, value in made.__dict__.items() if key != "_state"})
        obj._state.adding = False
        request.made_token = secret  # type: ignore[attr-defined]  # for the response of this very request

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": f"Token {obj.name}",
            "opts": self.opts,
            "token": obj,
            "secret": request.made_token,  # type: ignore[attr-defined]  # see above
        }
        return TemplateResponse(request, "admin/api/token_made.html", context)

    # -- closing one ---------------------------------------------------------------------------------------------------
    @admin.action(description="Revoke for good", permissions=["add"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        actor, now = request.user.get_username(), timezone.now()
        closed = sum(revoke_token(token=token, actor=actor, now=now) for token in tokens)
        self.message_user(request, f"Revoked: {closed}.")

    @admin.display(description="scopes")
    def what_for(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)
