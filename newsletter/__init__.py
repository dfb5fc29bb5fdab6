"""Articles, issues, rendering, the studio's writing pages and the web archive.

This package also holds the Django project (settings, urls, wsgi). It imports neither `subscribers` nor `workers`.
"""
