"""Maintenance of stored data: `retention` deletes what has passed its period.

Not here: checks of the service (`workers.health`) and deletion on a reader's request (`subscribers`). A nightly task
calls it.
"""
