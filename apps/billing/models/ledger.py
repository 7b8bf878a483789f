"""The ledger: double entry in nano-dollars. What is written is never changed (triggers of the database hold that)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Account
from apps.common.models import TimestampedModel
from apps.common.money import NanoField
from apps.usage.models import UsageCharge


class LedgerKind(models.TextChoices):
    """What a ledger account holds. A balance is what it has gained less what it gave; all balances sum to zero."""

    PREPAID = "prepaid", "Prepaid credit"
    PROMOTIONAL = "promotional", "Promotional credit"
    RECEIVABLE = "receivable", "Use that is owed"
    METERED = "metered", "Use that is owed, on an invoice"
    REVENUE = "revenue", "Revenue"
    PROMOTIONS = "promotions", "Promotional credit given"
    REFUNDS = "refunds", "Refunds of use"
    WRITE_OFFS = "write_offs", "Write-offs"
    PAYMENTS = "payments", "Payments taken by hand"
    STRIPE_CLEARING = "stripe_clearing", "Stripe clearing"


CUSTOMERS = (LedgerKind.PREPAID, LedgerKind.PROMOTIONAL, LedgerKind.RECEIVABLE, LedgerKind.METERED)


class Customer(TimestampedModel):
    """An account as one who pays. Its row is locked by whatever writes its part of the ledger."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    credit_limit = NanoField(
        null=True, blank=True, help_text="How much use it may owe; 0: calls stop with its credit; empty: no limit"
    )
    posted = NanoField(default=0, editable=False, help_text="The use that the ledger has, all of it since ever")
    told_of_end = NanoField(
        null=True, editable=False, help_text="What it could use in all when its people were told that this is used up"
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(credit_limit__gte=0), name="credit_limit_not_negative")]

    def __str__(self) -> str:
        return str(self.account)


class CreditLot(models.Model):
    """Promotional credit that was given at once, and ends at once. What is left is its ledger account's balance."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    amount = NanoField()
    description = models.CharField(max_length=200)
    granted_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, help_text="A full hour, UTC; empty: never")
    swept_at = models.DateTimeField(null=True, help_text="When what was left of it after its end was taken back")
    swept = NanoField(default=0, help_text="What was taken back, less what late use still had a right to")

    class Meta:
        ordering = ["expires_at", "pk"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0, swept__gte=0), name="lot_positive")]
        indexes = [models.Index(fields=["expires_at"], name="lot_to_sweep", condition=Q(swept_at=None))]

    def __str__(self) -> str:
        return self.description


class LedgerAccount(models.Model):
    """A place where money stands. `balance` is kept by a trigger, and can be rebuilt from the entries."""

    kind = models.CharField(max_length=16, choices=LedgerKind)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+", help_text="Whose it is")
    lot = models.ForeignKey(CreditLot, on_delete=models.PROTECT, null=True, related_name="+")
    model = models.CharField(max_length=120, blank=True, help_text="Of revenue: what was sold")
    balance = NanoField(default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account", "lot", "model"], name="ledger_account_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(kind__in=CUSTOMERS, account__isnull=False) | ~Q(kind__in=CUSTOMERS) & Q(account=None),
                name="ledger_account_owned",
            ),
            models.CheckConstraint(
                condition=Q(kind="promotional", lot__isnull=False) | ~Q(kind="promotional") & Q(lot=None),
                name="ledger_account_of_lot",
            ),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.get_kind_display(), self.model, str(self.account or "")]))


class TransactionKind(models.TextChoices):
    USAGE = "usage", "Use"
    PAYMENT = "payment", "Payment"
    FEE = "fee", "Subscription fee"
    FEE_REFUND = "fee_refund", "Invoice refunded"
    METERING = "metering", "Use put on the next invoice"
    GRANT = "grant", "Credit granted"
    EXPIRY = "expiry", "Credit expired"
    REFUND = "refund", "Payment refunded"
    USAGE_REFUND = "usage_refund", "Use refunded"
    WRITE_OFF = "write_off", "Written off"


class LedgerTransaction(models.Model):
    """One thing that happened, with entries that sum to zero. A replay has the same `business_key` again."""

    kind = models.CharField(max_length=16, choices=TransactionKind)
    business_key = models.CharField(max_length=120, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    occurred_at = models.DateTimeField(help_text="Of use: the hour that it belongs to")
    posted_at = models.DateTimeField(auto_now_add=True)
    description = models.CharField(max_length=500)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-id"], name="transaction_account_newest")]

    def __str__(self) -> str:
        return self.business_key


class LedgerEntry(models.Model):
    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    ledger_account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="entries")
    amount = NanoField(help_text="What the ledger account gains; negative: what it gives")

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="entry_not_zero")]

    def __str__(self) -> str:
        return f"{self.amount} to {self.ledger_account_id}"


class PostedCharge(models.Model):
    """Which part of an hour's use a transaction brought into the ledger: the way from an entry to the requests."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="charges")
    charge = models.ForeignKey(UsageCharge, on_delete=models.PROTECT, related_name="+")
    cost = NanoField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transaction", "charge"], name="charge_once_per_transaction")]

    def __str__(self) -> str:
        return f"{self.cost} of {self.charge_id}"
