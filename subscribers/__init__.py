"""Subscribers and their consent: sign-up, confirmation, preferences, one-click unsubscribe, suppression.

Imports `newsletter`. Sending is in `workers`, which imports this package.
"""
