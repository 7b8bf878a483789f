"""Who logs in (User), who pays and owns everything (Account), and how the two are tied (Membership)."""

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.common.limits import RateLimited, RateLimits
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class UserManager(BaseUserManager["User"]):
    """Users are known by their e-mail address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True, error_messages={"unique": "A user with this address exists."})

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_lower")]

    def __str__(self) -> str:
        return self.email


class Role(models.TextChoices):
    """What a member may do in an account, from most to least."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    DEVELOPER = "developer", "Developer"
    BILLING = "billing", "Billing"
    VIEWER = "viewer", "Viewer"


class Tier(RateLimited, TimestampedModel):
    """What accounts of a kind may do where they have no limits of their own: "Free", "Paid"."""

    name = models.CharField(max_length=60, unique=True)
    is_for_new_accounts = models.BooleanField(default=False, help_text="Accounts that sign up get this tier")
    end_user_rpm_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests a minute of each end user; empty: no limit"
    )
    end_user_tpm_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tokens a minute of each end user; empty: no limit"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_for_new_accounts"],
                condition=models.Q(is_for_new_accounts=True),
                name="tier_one_for_new_accounts",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Account(RateLimited, TimestampedModel):
    """A customer: owns projects, keys, use and money."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    monthly_budget = NanoField(null=True, blank=True, help_text="Nano-dollars a calendar month (UTC); empty: no limit")
    total_budget = NanoField(null=True, blank=True, help_text="Nano-dollars in all; empty: no limit")
    budget_is_hard = models.BooleanField(
        default=True, db_default=True, help_text="Its budgets stop calls; otherwise they only warn"
    )
    credit = NanoField(
        null=True,
        blank=True,
        editable=False,
        help_text="Nano-dollars that it may use in all, by the ledger; empty: no limit",
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts")
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspension_reason = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Its people see it"
    )
    prompt_log_days = models.SmallIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="So long its people can read what was asked and answered; empty: it is not kept",
    )
    prompt_log_since = models.DateTimeField(
        null=True, editable=False, help_text="What was asked before is not kept, though it may still be on its way"
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Rises with each change that gateways must see"
    )
    users = models.ManyToManyField(User, through="Membership", related_name="accounts")

    def __str__(self) -> str:
        return self.name

    @property
    def effective_limits(self) -> RateLimits:
        """Its own where it has some, else its tier's."""
        own, tier = self.limits, self.tier.limits if self.tier else RateLimits()
        return RateLimits(
            rpm=own.rpm or tier.rpm,
            tpm=own.tpm or tier.tpm,
            tpd=own.tpd or tier.tpd,
            parallel=own.parallel or tier.parallel,
        )

    @property
    def prompts_kept_days(self) -> int | None:
        """How long prompts are logged for, within what the platform allows; None: they are not."""
        most: int = settings.PROMPT_LOG_MAX_DAYS
        return min(self.prompt_log_days, most) or None if self.prompt_log_days else None

    @property
    def end_user_limits(self) -> RateLimits:
        """Of each of the people whom its applications name."""
        tier = self.tier
        return RateLimits(rpm=tier.end_user_rpm_limit, tpm=tier.end_user_tpm_limit) if tier else RateLimits()


class Membership(TimestampedModel):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.DEVELOPER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="membership_once_per_account")]

    def __str__(self) -> str:
        return f"{self.user} in {self.account} ({self.role})"


class Project(RateLimited, TimestampedModel):
    """One consumer application of an account."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="projects")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    monthly_budget = NanoField(null=True, blank=True, help_text="Nano-dollars a calendar month (UTC); empty: no limit")
    total_budget = NanoField(null=True, blank=True, help_text="Nano-dollars in all; empty: no limit")
    budget_is_hard = models.BooleanField(
        default=True, db_default=True, help_text="Its budgets stop calls; otherwise they only warn"
    )
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "slug"], name="project_slug_once_per_account")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Invitation(TimestampedModel):
    """An offer of membership, mailed as a link; only the token's SHA-256 is kept."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role, default=Role.DEVELOPER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "account",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_one_open_per_address",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.account}"

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > timezone.now()


class Letter(models.Model):
    """What an account's people were told of money: mailed, and kept for the portal."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    mail_due_at = models.DateTimeField(null=True, default=timezone.now, help_text="Empty: mailed, or given up")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "-id"], name="letter_account_newest"),
            models.Index(fields=["mail_due_at"], name="letter_due", condition=models.Q(mail_due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.subject
