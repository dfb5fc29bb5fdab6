from django.db import migrations, models
from django.db.models import Q

SERIOUS = ("bounced", "complained", "held_bounced", "held_complained", "due_bounced", "due_complained")


class Migration(migrations.Migration):
    dependencies = [("workers", "0002_lanes")]

    operations = [
        migrations.AddIndex(
            "event", models.Index(fields=["issue", "kind"], name="event_serious", condition=Q(kind__in=SERIOUS))
        ),
    ]
