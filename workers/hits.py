"""The address of the WSGI entry point: `workers.hits:application`.

Servers and units name this module, so it stays. The code is in `workers.tracking.collector`.
"""

from workers.tracking.collector import application

__all__ = ["application"]
