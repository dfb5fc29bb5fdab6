"""Opens and clicks.

`collector` runs in the web process and appends each hit to a spool file; `loader` runs in `manage.py drain` and loads
the files into `Tally` and `Event`.

Not here: tokens (`subscribers.tokens`), links of an issue (`newsletter.models.Link`) and reports (`workers.reporting`).
"""
