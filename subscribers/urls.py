from django.urls import path

from subscribers import views

urlpatterns = [
    path("", views.signup_page, name="signup"),
    path("subscribe/", views.signup_page, name="signup"),
    path("s/<slug:form>/", views.signup_post, name="signup-post"),
    path("check-inbox/<str:public_id>/", views.check_inbox, name="check-inbox"),
    path("check-inbox/<str:public_id>/resend/", views.resend, name="check-inbox-resend"),
    path("c/<str:token>/", views.confirm, name="subscription-confirm"),
    path("p/<str:token>/", views.preferences, name="preferences"),
    path("u/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("privacy/", views.privacy, name="privacy"),
]
