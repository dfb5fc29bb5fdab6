"""Everything after an issue is written: freezing, sending, tracking, provider events, reports, retention.

Importing this package, or any module the web process needs, never imports Celery; only `workers.celery`,
`workers.schedule` and `workers.tasks` do.
"""
