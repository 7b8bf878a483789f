"""The staff's pages of people: users, invitations, second factors, and what staff did."""

from typing import Any

from allauth.mfa.admin import AuthenticatorAdmin
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts import services
from apps.accounts.models import Invitation, Membership, User
from apps.common.desk import ReadOnlyDesk

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewPersonForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class MembershipsOfPerson(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    fields = readonly_fields = ("account", "role", "created_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("account")


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People change their own address, with proof that it is theirs. Only superusers give rights."""

    add_form = NewPersonForm
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_staff", "is_superuser", "is_active", "date_joined")
    date_hierarchy = "date_joined"
    search_fields = ("email", "first_name", "last_name", "accounts__slug")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    list_per_page = 50
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("email", "password", "first_name", "last_name")}),
        ("Rights", {"fields": ("is_active", *RIGHTS)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        return [MembershipsOfPerson] if obj else []

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        rights = () if _gives_rights(request) else RIGHTS
        return (*self.readonly_fields, "email", *rights) if obj else (*self.readonly_fields, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj and obj.is_superuser and not _gives_rights(request):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # an account could lose its last owner: switch `active` off


def _gives_rights(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyDesk):
    list_display = ("email", "account", "role", "invited_by", "is_waiting", "created_at", "expires_at")
    list_select_related = ("account", "invited_by")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter), "created_at")
    date_hierarchy = "created_at"
    search_fields = ("email", "account__name", "account__slug")
    fields = ("account", "email", "role", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at")
    actions = ("revoke",)
    ordering = ("-created_at",)

    @admin.display(boolean=True, description="open")
    def is_waiting(self, invitation: Invitation) -> bool:
        return invitation.is_open

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_invitation")

    @admin.action(description="Revoke: the mailed links stop working", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> HttpResponse | None:
        warning = "The links that were mailed stop working."
        if page := self.confirmation(request, queryset, action="revoke", warning=warning):
            return page
        self.run(
            request,
            queryset,
            lambda row: services.revoke_invitation(account_id=row.account_id, invitation_id=row.pk, by_id=None),
            done="Revoked",
        )
        return None


admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class SecondFactorAdmin(AuthenticatorAdmin):  # type: ignore[misc]
    """Without its secret. May be deleted, for somebody who has lost it."""

    fields = readonly_fields = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LogEntry)
class LogAdmin(ReadOnlyDesk):
    """What staff did on this desk."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change")
    list_select_related = ("user", "content_type")
    list_filter = ("action_flag", "content_type")
    date_hierarchy = "action_time"
    search_fields = ("object_repr", "change_message", "user__email")
    fields = ("action_time", "user", "content_type", "object_repr", "change")
    readonly_fields = ("change",)

    @admin.display(description="what")
    def change(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()
