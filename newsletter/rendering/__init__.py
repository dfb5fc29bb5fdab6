"""An issue's words and blocks in, mail out: MJML, HTML, plain text, numbered links and slots. Pure: no Django, no database.

`newsletter.editions` hands in the templates (as a `render` callable), the words of the frame and the colours.
"""
