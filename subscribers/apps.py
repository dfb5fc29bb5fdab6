from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscribersConfig(AppConfig):
    name = "subscribers"
    verbose_name = _("Subscribers")

    def ready(self) -> None:
        from newsletter.studio import readers, week
        from subscribers.studio import previewing, setup

        week.add_steps(setup.steps)
        readers.add(previewing.recent)
