"""Addresses that belong to the site rather than to one of its parts."""

from django.urls import URLPattern, path

from newsletter.media import views as media

urlpatterns: list[URLPattern] = [
    path("media/<path:path>", media.serve_picture, name="media"),
]
