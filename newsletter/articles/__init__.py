"""Operations on articles: read pages, store each article once, collect from feeds and sitemaps, add by address, find.

    reading     what stands at an address; network, no database
    storing     one row an article, whatever feeds and pages call it; reading it again
    addresses   addresses that people paste or feeds name: waiting, taken, left out and why, set aside
    sources     feeds and sitemaps, read when their time has come
    finding     reads for lists

Everything goes out through `fetching`; no transaction is open while the network is.
"""

from newsletter.articles.addresses import AT_ONCE as AT_ONCE
from newsletter.articles.addresses import Pasted as Pasted
from newsletter.articles.addresses import add_by_url as add_by_url
from newsletter.articles.addresses import bring_back as bring_back
from newsletter.articles.addresses import paste as paste
from newsletter.articles.addresses import read_candidates_due as read_candidates_due
from newsletter.articles.addresses import set_aside as set_aside
from newsletter.articles.addresses import try_again as try_again
from newsletter.articles.article_data import NoArticle as NoArticle
from newsletter.articles.finding import by_url as by_url
from newsletter.articles.finding import in_words as in_words
from newsletter.articles.finding import picture_fault as picture_fault
from newsletter.articles.finding import search as search
from newsletter.articles.finding import used_in as used_in
from newsletter.articles.reading import Look as Look
from newsletter.articles.reading import Read as Read
from newsletter.articles.reading import look as look
from newsletter.articles.reading import look_at_site as look_at_site
from newsletter.articles.reading import read_url as read_url
from newsletter.articles.reading import understand as understand
from newsletter.articles.sources import Collected as Collected
from newsletter.articles.sources import collect as collect
from newsletter.articles.sources import collect_due as collect_due
from newsletter.articles.sources import connect as connect
from newsletter.articles.sources import start as start
from newsletter.articles.sources import stop as stop
from newsletter.articles.storing import keep as keep
from newsletter.articles.storing import refresh as refresh
from newsletter.articles.storing import upsert as upsert
