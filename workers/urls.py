from django.urls import path

from workers import health, webhooks

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("webhooks/<slug:provider>/tracking/", webhooks.tracking, name="webhook-tracking"),
]
