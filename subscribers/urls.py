from django.urls import path

from subscribers.views import choosing, confirming, inbox, leaving, privacy, signing_up

urlpatterns = [
    path("", signing_up.signup_page, name="signup"),
    path("subscribe/", signing_up.signup_page, name="signup"),
    path("s/<slug:form>/", signing_up.signup_post, name="signup-post"),
    path("check-inbox/<slug:public_id>/", inbox.check_inbox, name="check-inbox"),
    path("check-inbox/<slug:public_id>/resend/", inbox.resend, name="check-inbox-resend"),
    path("c/<str:token>/", confirming.confirm, name="subscription-confirm"),
    path("p/<str:token>/", choosing.preferences, name="preferences"),
    path("u/<str:token>/", leaving.unsubscribe, name="unsubscribe"),
    path("privacy/", privacy.privacy, name="privacy"),
]
