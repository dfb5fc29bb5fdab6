from django.urls import path

from workers import health
from workers.provider_events import views as webhooks

urlpatterns = [
    path("healthz", health.liveness, name="healthz"),
    path("readyz", health.readiness, name="readyz"),
    path("webhooks/<slug:provider>/tracking/", webhooks.tracking_webhook, name="webhook-tracking"),
]
