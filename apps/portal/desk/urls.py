"""Where the desk's pages are: below the admin, and behind its own door."""

from django.contrib import admin
from django.urls import path

from apps.portal.desk import finance, money

app_name = "desk"
guarded = admin.site.admin_view
urlpatterns = [
    path("finance/", guarded(finance.finance), name="finance"),
    path("finance/revenue.csv", guarded(finance.revenue_csv), name="revenue_csv"),
    path("money/", guarded(money.find_account), name="find_account"),
    path("money/<int:account_id>/", guarded(money.account_money), name="account_money"),
    path("money/<int:account_id>/plan/", guarded(money.change_plan), name="account_plan"),
    path("money/<int:account_id>/refund/", guarded(money.refund_to_card), name="account_refund"),
]
