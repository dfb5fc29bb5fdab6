from django.urls import path

from subscribers.views import check_inbox, confirmation, preferences, privacy, unsubscribe
from subscribers.views import signup as signup_views

urlpatterns = [
    path("", signup_views.show, name="signup"),
    path("subscribe/", signup_views.show, name="signup"),
    path("s/<slug:form>/", signup_views.submit, name="signup-post"),
    path("check-inbox/<slug:public_id>/", check_inbox.show, name="check-inbox"),
    path("check-inbox/<slug:public_id>/resend/", check_inbox.resend, name="check-inbox-resend"),
    path("c/<str:token>/", confirmation.confirm, name="subscription-confirm"),
    path("p/<str:token>/", preferences.edit, name="preferences"),
    path("u/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("privacy/", privacy.show, name="privacy"),
]
