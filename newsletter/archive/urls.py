"""The web archive: every issue that was sent, for everybody."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from newsletter.archive import calendar, feeds, views

urlpatterns: list[URLPattern] = [
    path("", views.issues, name="archive-list"),
    path("feed.xml", login_not_required(feeds.SentIssues()), name="archive-feed"),
    path("<int:year>/<slug:slug>/", views.issue, name="archive-issue"),
    path("events/<int:issue>/<slug:block>/<slug:language>/<slug:key>.ics", calendar.event, name="event-calendar"),
]
