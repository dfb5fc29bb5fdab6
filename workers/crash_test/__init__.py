"""`crash_test`: a send in a place of its own, whose parts are killed at random, counted by a server that knows nothing of us.

`place` makes the throwaway database, folder and broker; `sink` is the mail server, and `provider` beside it the API of one
who takes many readers by a call; both `count`. `scene` fills the database; `crew` are the real workers; `trial` kills them
and reads the verdict from both sides.
"""
