"""The content of a message, as bytes for SMTP or as data for a provider's API.

`builder` compiles an edition once and fills it for each reader; `segments` encodes bodies; `header_fields` encodes
header values; `merge_template` prepares an edition for merge APIs.

Not here: rendering of blocks to HTML (`newsletter.rendering`) and connections (`workers.routes`). Callers:
`workers.sending` and previews of the studio.
"""
