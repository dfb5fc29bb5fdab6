"""Everything after an issue is written: freezing, sending, tracking, provider events, reports, retention.

Only `workers.celery`, `workers.schedule` and `workers.tasks` import Celery. Modules of the web process never do.
"""
