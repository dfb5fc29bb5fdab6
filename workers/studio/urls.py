from django.urls import URLPattern, path

from workers.studio.correction import views as correction
from workers.studio.progress import follow_up, postpone, quarantine
from workers.studio.progress import views as progress
from workers.studio.reports import views as results
from workers.studio.review import views as review

urlpatterns: list[URLPattern] = [
    path("issues/<int:issue_id>/review/", review.review, name="issue-review"),
    path("issues/<int:issue_id>/approve/", review.approve, name="issue-approve"),
    path("issues/<int:issue_id>/schedule/", review.schedule, name="issue-schedule"),
    path("issues/<int:issue_id>/test/", review.test, name="issue-test"),
    path("issues/<int:issue_id>/stop/", progress.stop, name="issue-stop"),
    path("issues/<int:issue_id>/progress/", progress.progress, name="issue-progress"),
    path("issues/<int:issue_id>/progress/services/", progress.mailbox_provider_table, name="issue-services"),
    path("issues/<int:issue_id>/pause/", progress.pause, name="issue-pause"),
    path("issues/<int:issue_id>/resume/", progress.resume, name="issue-resume"),
    path("issues/<int:issue_id>/postpone/", postpone.postpone, name="issue-postpone"),
    path("issues/<int:issue_id>/cancel/", progress.cancel, name="issue-cancel"),
    path("issues/<int:issue_id>/without-notes/", progress.give_up_host, name="issue-without-notes"),
    path("issues/<int:issue_id>/send-again/", progress.send_again, name="issue-send-again"),
    path("issues/<int:issue_id>/held-back/", quarantine.detail, name="issue-held"),
    path("issues/<int:issue_id>/held-back/decide/", quarantine.decide, name="issue-held-decide"),
    path("issues/<int:issue_id>/report/", results.issue_report, name="issue-report"),
    path("issues/<int:issue_id>/report/links.csv", results.links_csv, name="issue-report-csv"),
    path("issues/<int:issue_id>/correct/", correction.correct, name="issue-correct"),
    path("issues/<int:issue_id>/correct/answer/", correction.check_link, name="issue-correct-answer"),
    path("issues/<int:issue_id>/correct/put-back/", correction.revert_link, name="issue-correct-put-back"),
    path("issues/<int:issue_id>/correct/notes/<int:note_id>/", correction.update_note, name="issue-correct-note"),
    path("issues/<int:issue_id>/missed/", follow_up.follow_up, name="issue-missed"),
    path("reports/", results.report_list, name="report-list"),
]
