"""The portal's pages. What belongs to an account stands under /a/<its slug>/."""

from django.urls import include, path

from apps.portal.views import (
    billing,
    dashboard,
    docs,
    home,
    invitations,
    keys,
    members,
    models,
    profile,
    projects,
    settings,
    stripe,
    usage,
    webhooks,
)

app_name = "portal"

account_pages = [
    path("", dashboard.overview, name="overview"),
    path("today/", dashboard.today, name="today"),
    path("first-key/", dashboard.first_key, name="first_key"),
    path("keys/", keys.key_list, name="keys"),
    path("keys/new/", keys.new_key, name="new_key"),
    path("keys/<slug:public_id>/", keys.edit_key, name="key"),
    path("keys/<slug:public_id>/switch/", keys.switch_key, name="switch_key"),
    path("keys/<slug:public_id>/rotate/", keys.rotate_key, name="rotate_key"),
    path("keys/<slug:public_id>/revoke/", keys.revoke_key, name="revoke_key"),
    path("usage/", usage.usage, name="usage"),
    path("usage/breakdown.csv", usage.export_breakdown, name="breakdown_csv"),
    path("usage/requests.csv", usage.export, name="usage_csv"),
    path("billing/", billing.billing, name="billing"),
    path("billing/top-up/", billing.top_up, name="top_up"),
    path("billing/automatic/", billing.auto_top_up, name="auto_top_up"),
    path("billing/next-invoice/", billing.next_invoice, name="next_invoice"),
    path("billing/subscribe/", billing.subscribe, name="subscribe"),
    path("billing/plan/<slug:plan>/", billing.change_plan, name="change_plan"),
    path("billing/end/", billing.end_subscription, name="end_subscription"),
    path("billing/cards/", billing.cards, name="cards"),
    path("models/", models.model_list, name="models"),
    path("projects/", projects.project_list, name="projects"),
    path("projects/<slug:project>/", projects.edit_project, name="project"),
    path("projects/<slug:project>/archive/", projects.archive, name="archive_project"),
    path("projects/<slug:project>/restore/", projects.restore, name="restore_project"),
    path("members/", members.member_list, name="members"),
    path("members/invite/", members.invite, name="invite"),
    path("members/<int:user_id>/role/", members.change_role, name="change_role"),
    path("members/<int:user_id>/remove/", members.remove, name="remove_member"),
    path("invitations/<int:invitation_id>/revoke/", members.revoke_invitation, name="revoke_invitation"),
    path("settings/", settings.account_settings, name="settings"),
    path("settings/name/", settings.rename, name="rename"),
    path("settings/budget/", settings.budget, name="budget"),
    path("settings/webhook/", webhooks.save, name="webhook"),
    path("settings/webhook/secret/", webhooks.renew, name="renew_webhook_secret"),
    path("settings/webhook/test/", webhooks.test, name="test_webhook"),
    path("settings/webhook/remove/", webhooks.remove, name="remove_webhook"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("docs/", docs.page, name="docs"),
    path("docs/<slug:page_slug>/", docs.page, name="docs_page"),
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("profile/", profile.profile, name="profile"),
    path("new-account/", profile.new_account, name="new_account"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("a/<slug:slug>/", include(account_pages)),
    path("stripe/webhook/<uuid:number>/", stripe.webhook, name="stripe_webhook"),
]
