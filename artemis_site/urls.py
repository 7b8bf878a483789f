"""The portal's plane: pages, staff desk, management API, health."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", include("apps.portal.desk.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("apps.api.management.urls")),
    path("", include("apps.portal.urls")),
]

handler400 = "apps.portal.views.errors.bad_request"
handler403 = "apps.portal.views.errors.forbidden"
handler404 = "apps.portal.views.errors.not_found"
