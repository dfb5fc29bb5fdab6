from django.db import migrations, models
from django.db.models import Q

SERIOUS = (
    *("bounced", "complained", "unsubscribed"),
    *("held_bounced", "held_complained", "held_unsubscribed"),
    *("due_bounced", "due_complained", "due_unsubscribed"),
)


class Migration(migrations.Migration):
    dependencies = [("workers", "0002_lanes")]

    operations = [
        migrations.AddIndex(
            "event", models.Index(fields=["issue", "kind"], name="event_serious", condition=Q(kind__in=SERIOUS))
        ),
    ]
