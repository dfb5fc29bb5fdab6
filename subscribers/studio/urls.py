from django.urls import URLPattern, path

from subscribers.studio import signup_forms, subscribers

urlpatterns: list[URLPattern] = [
    path("subscribers/", subscribers.listing, name="subscriber-list"),
    path("subscribers/<uuid:public_id>/", subscribers.reader, name="subscriber"),
    path("subscribers/<uuid:public_id>/unsubscribe/", subscribers.unsubscribe, name="subscriber-unsubscribe"),
    path("subscribers/<uuid:public_id>/stop/", subscribers.stop_all, name="subscriber-stop"),
    path("subscribers/<uuid:public_id>/allow/", subscribers.allow_again, name="subscriber-allow"),
    path("forms/", signup_forms.listing, name="signup-form-list"),
    path("forms/new/", signup_forms.create, name="signup-form-create"),
    path("forms/texts/<slug:newsletter>/", signup_forms.texts, name="consent-texts"),
    path("forms/<slug:slug>/", signup_forms.edit, name="signup-form"),
]
