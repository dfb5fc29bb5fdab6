"""Figures of issues that are being sent or were sent. Reads only, except the counters in lists of issues.

`issue_figures` builds the report of an issue; `by_mailbox_provider` counts readers by mailbox provider.

Not here: the pages (`workers.studio.reports`) and the counts of the ledger (`workers.ledger.counts`).
"""
