"""The only outbound HTTP client, and the guard that refuses addresses in private networks.

Callers are `newsletter.articles`, `newsletter.sites` and the link checker. Nothing here uses the database. Requests to
email providers do not go through this room.
"""
