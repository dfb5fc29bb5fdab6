"""A publisher's site read for the first time, step by step, until its first issue can be shown. Nothing is stored before `keep`.

found     what was found, and what its editor has changed of it since
first     the first issue as it would be, not stored
reading   the steps that read the site; network, no database
keeping   newsletter, sources, articles, pictures and the first draft
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
