"""A publisher's site read for the first time, step by step, until its first issue can be shown. Nothing is stored before `keep`.

found     what was found, and what its editor has changed of it since
first     the first issue as it would be, not stored
reading   the steps that read the site; network, no database
keeping   newsletter, sources, articles, pictures and the first draft
"""

from newsletter.sites.first_issue import envelope as envelope
from newsletter.sites.first_issue import picks as picks
from newsletter.sites.first_issue import preview as preview
from newsletter.sites.reader import SECONDS as SECONDS
from newsletter.sites.reader import CannotRead as CannotRead
from newsletter.sites.reader import begin as begin
from newsletter.sites.reader import go_on as go_on
from newsletter.sites.site_reading import Found as Found
from newsletter.sites.site_reading import Reading as Reading
from newsletter.sites.storing import free_slug as free_slug
from newsletter.sites.storing import keep as keep
