from django.urls import URLPattern, path

from subscribers.studio import people, signup_forms

urlpatterns: list[URLPattern] = [
    path("subscribers/", people.listing, name="subscriber-list"),
    path("subscribers/<uuid:public_id>/", people.reader, name="subscriber"),
    path("subscribers/<uuid:public_id>/unsubscribe/", people.unsubscribe, name="subscriber-unsubscribe"),
    path("subscribers/<uuid:public_id>/stop/", people.stop_all, name="subscriber-stop"),
    path("subscribers/<uuid:public_id>/allow/", people.allow_again, name="subscriber-allow"),
    path("forms/", signup_forms.listing, name="signup-form-list"),
    path("forms/new/", signup_forms.create, name="signup-form-create"),
    path("forms/texts/<slug:newsletter>/", signup_forms.texts, name="consent-texts"),
    path("forms/<slug:slug>/", signup_forms.edit, name="signup-form"),
]
