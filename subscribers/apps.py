from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscribersConfig(AppConfig):
    name = "subscribers"
    verbose_name = _("Subscribers")

    def ready(self) -> None:
        from newsletter.studio.composer import preview_readers
        from newsletter.studio.start import dashboard
        from subscribers.studio import dashboard_steps
        from subscribers.studio import preview_readers as recent_readers

        dashboard.register_setup_steps(dashboard_steps.setup_steps)
        preview_readers.register(recent_readers.recent_subscribers)
