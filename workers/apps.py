from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = _("Sending")

    def ready(self) -> None:
        from anymail.signals import tracking

        from workers import feedback, ledger, webhooks  # noqa: F401 (ledger registers audiences, webhooks its check)

        tracking.connect(feedback.receive, dispatch_uid="workers.feedback")

        from workers.studio import timeline

        timeline.register()
