from django.urls import path

from workers.mailbox import views

urlpatterns = [
    path("", views.mails, name="mailbox"),
    path("<str:name>/", views.mail, name="mailbox-mail"),
    path("<str:name>/html/", views.html, name="mailbox-html"),
    path("<str:name>/download/", views.download, name="mailbox-download"),
]
