"""URLs of the public web archive."""

from __future__ import annotations

from django.urls import URLPattern, path

from newsletter.archive import calendar, views

urlpatterns: list[URLPattern] = [
    path("", views.issue_list, name="archive-list"),
    path("feed.xml", views.atom_feed, name="archive-feed"),
    path("rss.xml", views.rss_feed, name="archive-rss"),
    path("feed.json", views.json_feed, name="archive-json"),
    path("<int:year>/<slug:slug>/", views.issue_detail, name="archive-issue"),
    path(
        "events/<int:issue>/<slug:block>/<slug:language>/<slug:key>.ics", calendar.event_calendar, name="event-calendar"
    ),
]
