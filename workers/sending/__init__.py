"""Sending of an issue: from the moment it is due to the last recorded outcome.

`lifecycle` begins, sends, records and recovers; `claim_sender` sends the readers of one claim; `preflight` and
`slow_checks` check the finished mail; `late_start` decides whether an issue may begin by itself; `reconciliation` looks
up uncertain messages at the provider; `test_mail` and `corrections` are operations of editors.

Not here: the state in the database (`workers.ledger`), the bytes of a message (`workers.message`), the connections
(`workers.routes`). Callers: `workers.tasks`, management commands and `workers.studio`.
"""
