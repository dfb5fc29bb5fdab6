"""The first run: read a publisher's site step by step, preview its first issue, and create the newsletter.

    site_reading  what was found, and what the editor has changed of it; kept as JSON in the cache
    first_issue   a preview of the first issue, built from unsaved models
    reader        the steps that read the site; network, no database
    storing       create the newsletter, sources, articles, pictures and the first draft

Nothing is stored in the database before `store_site`. The caller is `newsletter.studio.start.first_run`.
"""

from newsletter.sites.first_issue import build_envelope as build_envelope
from newsletter.sites.first_issue import pick_articles as pick_articles
from newsletter.sites.first_issue import render_preview as render_preview
from newsletter.sites.reader import STEP_SECONDS as STEP_SECONDS
from newsletter.sites.reader import SiteReadError as SiteReadError
from newsletter.sites.reader import read_next_step as read_next_step
from newsletter.sites.reader import start_reading as start_reading
from newsletter.sites.site_reading import FoundFeed as FoundFeed
from newsletter.sites.site_reading import SiteReading as SiteReading
from newsletter.sites.site_reading import UnreadableReading as UnreadableReading
from newsletter.sites.storing import store_site as store_site
from newsletter.sites.storing import unused_slug as unused_slug
