"""Sent issues as pages and as a feed, for everybody. Nobody is counted here, and nothing of a reader is shown."""
