"""Django's admin with our own site."""

from django.contrib.admin.apps import AdminConfig


class StaffConfig(AdminConfig):
    default_site = "artemis_site.staff.StaffSite"
