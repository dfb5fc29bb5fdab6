"""The root URLconf. It includes other URLconfs by dotted path only, so that it imports no code of other packages."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("subscribers.urls")),
    path("archive/", include("newsletter.archive.urls")),
    path("studio/account/", include("newsletter.studio.settings.account_urls")),
    path("studio/", include("newsletter.studio.urls")),
    path("studio/", include("subscribers.studio.urls")),
    path("studio/", include("workers.studio.urls")),
    path("", include("workers.urls")),
    path("", include("newsletter.media.urls")),
    path("admin/", admin.site.urls),
]

if settings.EMBEDDED:
    urlpatterns += [
        path("mailbox/", include("workers.mailbox.urls")),
        path("demo/", include("workers.demo.urls")),
    ]

handler400 = "newsletter.web.error_pages.bad_request"
handler403 = "newsletter.web.error_pages.forbidden"
handler404 = "newsletter.web.error_pages.not_found"
handler500 = "newsletter.web.error_pages.server_error"
