import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("newsletter", "0001_initial"),
        ("workers", "0001_initial"),
    ]

    operations = [
        migrations.AddField("batch", "due_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "batch", "lane", models.CharField(blank=True, default="", max_length=253), preserve_default=False
        ),
        migrations.CreateModel(
            name="Lane",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=253)),
                ("rate", models.FloatField()),
                ("ceiling", models.FloatField()),
                ("tokens", models.FloatField(default=0)),
                ("refilled_at", models.DateTimeField(null=True)),
                ("held_until", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=300)),
                ("slowed_at", models.DateTimeField()),
                (
                    "route",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lanes", to="workers.route"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("route", "name"), name="one_lane_per_mail_service")],
            },
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(condition=Q(("outcome", "refused")), fields=["issue", "code"], name="delivery_refused"),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                condition=Q(
                    (
                        "kind__in",
                        ["bounced", "due_bounced", "held_bounced", "complained", "due_complained", "held_complained"],
                    )
                ),
                fields=["issue", "kind"],
                name="event_against_us",
            ),
        ),
    ]
