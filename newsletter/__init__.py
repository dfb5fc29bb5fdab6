"""What is written: articles, issues, rendering, the studio's writing pages and the web archive.

Also the Django project (settings, urls, wsgi). Knows neither who reads (`subscribers`) nor how mail leaves (`workers`).
"""
