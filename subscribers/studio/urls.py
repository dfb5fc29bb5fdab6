from django.urls import URLPattern, path

from subscribers.studio import signup_forms, subscribers

urlpatterns: list[URLPattern] = [
    path("subscribers/", subscribers.index, name="subscriber-list"),
    path("subscribers/<uuid:public_id>/", subscribers.show, name="subscriber"),
    path("subscribers/<uuid:public_id>/unsubscribe/", subscribers.unsubscribe, name="subscriber-unsubscribe"),
    path("subscribers/<uuid:public_id>/stop/", subscribers.suppress, name="subscriber-stop"),
    path("subscribers/<uuid:public_id>/allow/", subscribers.lift_suppression, name="subscriber-allow"),
    path("forms/", signup_forms.index, name="signup-form-list"),
    path("forms/new/", signup_forms.create, name="signup-form-create"),
    path("forms/texts/<slug:newsletter>/", signup_forms.edit_texts, name="consent-texts"),
    path("forms/<slug:slug>/", signup_forms.edit, name="signup-form"),
]
