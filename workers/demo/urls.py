"""`/demo/`: the invented news site, in embedded mode only."""

from django.urls import URLPattern, path

from workers.demo import views

urlpatterns: list[URLPattern] = [
    path("", views.front_page, name="demo"),
    path("feed.xml", views.feed, name="demo-feed"),
    path("logo.png", views.logo, name="demo-logo"),
    path("pictures/<slug:name>.png", views.picture, name="demo-picture"),
    path("en/", views.front_page, {"language": "en"}, name="demo-en"),
    path("en/feed.xml", views.feed, {"language": "en"}, name="demo-feed-en"),
    path("en/<slug:slug>/", views.article, {"language": "en"}, name="demo-article-en"),
    path("<slug:slug>/", views.article, name="demo-article"),
]
