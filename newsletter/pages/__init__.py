"""Pages of the web into ArticleData and Site: JSON-LD, OpenGraph, Twitter cards, the HTML itself. No database, no network.

`articles` and `sites` hand in the bytes that `fetching` got. Nothing here raises for what a page holds.
"""

from newsletter.pages.article import Page as Page
from newsletter.pages.article import content_hash as content_hash
from newsletter.pages.article import read as read
from newsletter.pages.site import Site as Site
from newsletter.pages.site import read_site as read_site
