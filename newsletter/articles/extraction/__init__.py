"""Pages of the web into ArticleData and Site: JSON-LD, OpenGraph, Twitter cards, the HTML itself. No database, no network.

`articles` and `sites` hand in the bytes that `fetching` got. Nothing here raises for what a page holds.
"""

from newsletter.articles.extraction.article import Page as Page
from newsletter.articles.extraction.article import content_hash as content_hash
from newsletter.articles.extraction.article import read as read
from newsletter.articles.extraction.site import Site as Site
from newsletter.articles.extraction.site import read_site as read_site
