"""Single mails outside issues: confirmation, welcome, invitation, alerts to editors.

`outbox` builds and sends the `Notice` rows that are due; `editor_alerts` and `draft_ready` queue notices to editors.
`subscribers` queues notices to readers. The texts are in `templates/mail/notices/`.
"""
