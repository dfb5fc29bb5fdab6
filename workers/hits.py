"""The WSGI entry point, `workers.hits:application`.

Servers and systemd units name this module, so its name stays. The code is in `workers.tracking.collector`.
"""

from workers.tracking.collector import application

__all__ = ["application"]
