from django.urls import path

from subscribers.views import check_inbox, confirmation, preferences, privacy, unsubscribe
from subscribers.views import signup as signup_views

urlpatterns = [
    path("", signup_views.signup_page, name="signup"),
    path("subscribe/", signup_views.signup_page, name="signup"),
    path("s/<slug:form>/", signup_views.signup_post, name="signup-post"),
    path("check-inbox/<slug:public_id>/", check_inbox.check_inbox, name="check-inbox"),
    path("check-inbox/<slug:public_id>/resend/", check_inbox.resend, name="check-inbox-resend"),
    path("c/<str:token>/", confirmation.confirm, name="subscription-confirm"),
    path("p/<str:token>/", preferences.preferences, name="preferences"),
    path("u/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("privacy/", privacy.privacy, name="privacy"),
]
