from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = _("Sending")

    def ready(self) -> None:
        from workers import ledger  # noqa: F401 (registers audiences)
        from workers.hooks import checks  # noqa: F401 (registers a check of the start)
        from workers.routes import checks as route_checks  # noqa: F401 (registers another)
        from workers.studio import timeline

        timeline.register()

        from newsletter.studio import week
        from workers.studio import held

        week.add_needs(held.needs)
