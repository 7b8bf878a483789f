"""The staff's page of accounts, with their members and projects."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts import services
from apps.accounts.models import Account, Membership, Project, Role, User
from apps.accounts.services.limits import BUDGET_FIELDS
from apps.common.desk import Desk, usd
from apps.common.limits import LIMIT_FIELDS

OWNERLESS = "An account needs an owner. Make somebody else an owner first."


class MembershipForms(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        if any(form.instance.pk and "user" in form.changed_data for form in self.forms):
            raise forms.ValidationError("Remove this member and add the other person instead.")
        left = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not any(row.get("role") == Role.OWNER for row in left):
            raise forms.ValidationError(OWNERLESS)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    formset = MembershipForms
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user")


class ProjectInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Project
    fields = ("name", "slug", "monthly_budget", "archived_at")
    readonly_fields = ("slug", "archived_at")
    formfield_overrides = Desk.formfield_overrides
    extra = 0
    can_delete = False
    show_change_link = True


class NewAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    owner = forms.ModelChoiceField(User.objects.filter(is_active=True))

    class Meta:
        model = Account
        fields = ("name",)


class Suspended(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("suspended", "Suspended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        if self.value() is None:
            return queryset
        return queryset.filter(suspended_at__isnull=self.value() == "active")


@admin.register(Account)
class AccountAdmin(Desk):
    list_display = ("name", "slug", "tier", "is_active", "budget", "people", "created_at")
    list_select_related = ("tier",)
    list_filter = (Suspended, "tier", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("name", "slug", "memberships__user__email")
    fields = (
        *("name", "slug", "tier", *BUDGET_FIELDS, *LIMIT_FIELDS),
        *("prompt_log_days", "suspended_at", "suspension_reason", "created_at", "updated_at"),
    )
    readonly_fields = ("slug", "prompt_log_days", "suspended_at", "suspension_reason", "created_at", "updated_at")
    ordering = ("-created_at",)
    actions = ("suspend", "resume")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(people=Count("memberships", distinct=True))

    def get_inlines(self, request: HttpRequest, obj: Account | None) -> list[Any]:
        return [MembershipInline, ProjectInline] if obj else []

    def get_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return self.fields if obj else ("name", "owner")

    def get_form(self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs) if obj else NewAccountForm

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return False  # its history must stay: suspend it

    @admin.display(boolean=True, description="active", ordering="suspended_at")
    def is_active(self, account: Account) -> bool:
        return account.suspended_at is None

    @admin.display(description="monthly budget", ordering="monthly_budget")
    def budget(self, account: Account) -> str:
        return usd(account.monthly_budget)

    @admin.display(ordering="people")
    def people(self, account: Any) -> int:
        return int(account.people)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        if not change:
            row = services.create_account(name=obj.name, owner_id=form.cleaned_data["owner"].pk)
            obj.pk = row.id
            obj.refresh_from_db()
            return
        if "name" in form.changed_data:
            services.rename_account(account_id=obj.pk, name=obj.name)
        limits = {
            name: form.cleaned_data[name] for name in (*LIMIT_FIELDS, *BUDGET_FIELDS) if name in form.changed_data
        }
        if "tier" in form.changed_data:
            limits["tier_id"] = obj.tier_id
        if limits:
            services.set_account_limits(account_id=obj.pk, values=limits)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # only finds out what is to be done
        if formset.model is Project:
            _save_projects(formset)
        else:
            _save_memberships(formset)

    @admin.action(description="Suspend: refuse all keys at once", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        warning = "All keys of these accounts are refused from now on; requests in flight end as usual."
        if page := self.confirmation(request, queryset, action="suspend", warning=warning, reason=True):
            return page
        reason = request.POST["reason"]
        self.run(
            request,
            queryset,
            lambda account: services.suspend_account(account_id=account.pk, reason=reason),
            done=f"Suspended ({reason})",
        )
        return None

    @admin.action(description="Resume: let their keys work again", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        self.run(request, queryset, lambda account: services.resume_account(account_id=account.pk), done="Resumed")


def _save_memberships(formset: Any) -> None:
    """New owners first, so that an account can be handed over in one go."""
    account_id = formset.instance.pk
    for row in formset.new_objects:
        services.add_member(account_id=account_id, user_id=row.user_id, role=row.role)
    changed = sorted((row for row, _ in formset.changed_objects), key=lambda row: row.role != Role.OWNER)
    for row in changed:
        services.change_role(account_id=account_id, user_id=row.user_id, role=row.role, by_id=None)
    for row in formset.deleted_objects:
        services.remove_member(account_id=account_id, user_id=row.user_id, by_id=None)


def _save_projects(formset: Any) -> None:
    account_id = formset.instance.pk
    for row in formset.new_objects:
        services.create_project(account_id=account_id, name=row.name, monthly_budget=row.monthly_budget)
    for row, _ in formset.changed_objects:
        services.update_project(account_id=account_id, slug=row.slug, name=row.name, monthly_budget=row.monthly_budget)
