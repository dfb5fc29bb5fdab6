#!/usr/bin/env python
"""Warta's command line."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"Warta cannot start. {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
