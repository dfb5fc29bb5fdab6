"""The web archive: every issue that was sent, for everybody."""

from __future__ import annotations

from django.urls import URLPattern, path

from newsletter.archive import calendar, views

urlpatterns: list[URLPattern] = [
    path("", views.issues, name="archive-list"),
    path("feed.xml", views.atom, name="archive-feed"),
    path("rss.xml", views.rss, name="archive-rss"),
    path("feed.json", views.json, name="archive-json"),
    path("<int:year>/<slug:slug>/", views.issue, name="archive-issue"),
    path("events/<int:issue>/<slug:block>/<slug:language>/<slug:key>.ics", calendar.event, name="event-calendar"),
]
