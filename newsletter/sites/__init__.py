"""A publisher's site read for the first time, step by step, until its first issue can be shown. Nothing is stored before `keep`.

found     what was found, and what its editor has changed of it since
first     the first issue as it would be, not stored
reading   the steps that read the site; network, no database
keeping   newsletter, sources, articles, pictures and the first draft
"""

from newsletter.sites.first import envelope as envelope
from newsletter.sites.first import picks as picks
from newsletter.sites.first import preview as preview
from newsletter.sites.found import Found as Found
from newsletter.sites.found import Reading as Reading
from newsletter.sites.keeping import free_slug as free_slug
from newsletter.sites.keeping import keep as keep
from newsletter.sites.reading import SECONDS as SECONDS
from newsletter.sites.reading import CannotRead as CannotRead
from newsletter.sites.reading import begin as begin
from newsletter.sites.reading import go_on as go_on
