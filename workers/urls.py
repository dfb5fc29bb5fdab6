from django.urls import path

from workers import health
from workers.provider_events import views as webhooks

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("webhooks/<slug:provider>/tracking/", webhooks.tracking, name="webhook-tracking"),
]
