"""URLs of stored images, below the site's root."""

from django.urls import URLPattern, path

from newsletter.media import views as media

urlpatterns: list[URLPattern] = [
    path("media/<path:path>", media.serve_picture, name="media"),
]
