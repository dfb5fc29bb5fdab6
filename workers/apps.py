from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = _("Sending")

    def ready(self) -> None:
        from workers import ledger, providers  # noqa: F401 (registers audience filters)
        from workers.provider_events import checks  # noqa: F401 (registers a system check)
        from workers.routes import checks as route_checks  # noqa: F401 (registers system checks)
        from workers.studio.reports import subscriber_timeline

        providers.check_mail_kinds()
        subscriber_timeline.register()

        from newsletter.studio.start import dashboard
        from workers.studio.progress import quarantine

        dashboard.register_action_items(quarantine.needs)
