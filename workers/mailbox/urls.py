from django.urls import path

from workers.mailbox import views

urlpatterns = [
    path("", views.message_list, name="mailbox"),
    path("<str:name>/", views.message_detail, name="mailbox-mail"),
    path("<str:name>/html/", views.message_html, name="mailbox-html"),
    path("<str:name>/download/", views.download_message, name="mailbox-download"),
]
