"""The public pages about people: signing up, confirming, choosing, leaving, and what we hold.

No page here needs a script, sets a cookie or changes anything on GET. The form endpoints are free of CSRF tokens on
purpose: the sign-up box stands on other sites, mail services post the one-click unsubscription, and on the other pages the
token in the address is the only authority, so that there is no ambient one (a cookie) to abuse. These pages also send
no referrer, with which Django's own check could not work.
"""
