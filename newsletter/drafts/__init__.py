"""Prepared drafts: the publishing schedule of a newsletter, and drafts that its rule fills with new articles.

Callers are the studio (settings, start page), the first run in `newsletter.sites` and the task `prepare` in
`workers.notifications`. Approving, scheduling and sending happen elsewhere.
"""
