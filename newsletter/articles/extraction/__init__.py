"""Extract ArticleData and Site from web pages: JSON-LD, OpenGraph, Twitter cards, the HTML itself. No database, no
network.

`newsletter.articles` and `newsletter.sites` pass the bytes that `newsletter.fetching` received. Functions here never
raise because of a page's content.
"""

from newsletter.articles.extraction.article import ExtractedPage as ExtractedPage
from newsletter.articles.extraction.article import content_hash as content_hash
from newsletter.articles.extraction.article import extract_page as extract_page
from newsletter.articles.extraction.site import Site as Site
from newsletter.articles.extraction.site import extract_site as extract_site
