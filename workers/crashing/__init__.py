"""`crash_test`: a send in a place of its own, whose parts are killed at random, counted by a mail server that knows nothing of us.

`place` makes the throwaway database, folder and broker; `sink` is the mail server; `scene` fills the database; `crew` are
the real workers; `trial` kills them and reads the verdict from both sides.
"""
