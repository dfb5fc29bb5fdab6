"""Operations on articles: read pages, store each article once, collect from feeds and sitemaps, add by address, search.

    url_reader       what an address holds; network, no database
    storing          one row per article, whatever its address in feeds and pages; re-reading
    candidates       addresses that editors paste or feeds list: waiting, taken, left out with a reason, skipped
    sources          feeds and sitemaps, read when they are due
    queries          querysets for lists
    article_changes  what changed in an article since an issue used it

All requests go through `newsletter.fetching`. No transaction is open during a request.
"""

from newsletter.articles.article_data import NotAnArticle as NotAnArticle
from newsletter.articles.candidates import MAX_PASTED as MAX_PASTED
from newsletter.articles.candidates import PasteResult as PasteResult
from newsletter.articles.candidates import add_by_url as add_by_url
from newsletter.articles.candidates import bring_back as bring_back
from newsletter.articles.candidates import enqueue_pasted as enqueue_pasted
from newsletter.articles.candidates import read_due_candidates as read_due_candidates
from newsletter.articles.candidates import retry as retry
from newsletter.articles.candidates import set_aside as set_aside
from newsletter.articles.queries import describe_picture_problem as describe_picture_problem
from newsletter.articles.queries import find_by_url as find_by_url
from newsletter.articles.queries import issues_using as issues_using
from newsletter.articles.queries import search as search
from newsletter.articles.queries import translate_reason as translate_reason
from newsletter.articles.sources import CollectResult as CollectResult
from newsletter.articles.sources import activate_source as activate_source
from newsletter.articles.sources import collect as collect
from newsletter.articles.sources import collect_due as collect_due
from newsletter.articles.sources import connect_source as connect_source
from newsletter.articles.sources import deactivate_source as deactivate_source
from newsletter.articles.storing import refresh as refresh
from newsletter.articles.storing import store_page_check as store_page_check
from newsletter.articles.storing import upsert as upsert
from newsletter.articles.url_reader import PageCheck as PageCheck
from newsletter.articles.url_reader import UrlContent as UrlContent
from newsletter.articles.url_reader import check_page as check_page
from newsletter.articles.url_reader import classify as classify
from newsletter.articles.url_reader import read_site as read_site
from newsletter.articles.url_reader import read_url as read_url
