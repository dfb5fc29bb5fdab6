"""What every request passes: middleware, context processors, error pages, log format and the client's address.

Views are in the rooms of their subject. Django's settings name these modules; `get_client_address` is called by views.
"""
