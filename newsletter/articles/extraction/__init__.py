"""Pages of the web into ArticleData and Site: JSON-LD, OpenGraph, Twitter cards, the HTML itself. No database, no network.

`articles` and `sites` hand in the bytes that `fetching` got. Nothing here raises for what a page holds.
"""

from newsletter.articles.extraction.article import ExtractedPage as ExtractedPage
from newsletter.articles.extraction.article import content_hash as content_hash
from newsletter.articles.extraction.article import extract_page as extract_page
from newsletter.articles.extraction.site import Site as Site
from newsletter.articles.extraction.site import extract_site as extract_site
