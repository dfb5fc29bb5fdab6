"""Who reads, and on what consent: sign-up, confirmation, preferences, one-click unsubscribe, suppression.

Knows `newsletter`; knows nothing of sending.
"""
