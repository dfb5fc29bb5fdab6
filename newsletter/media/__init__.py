"""Images: verified and stored once, the library of a newsletter, thumbnails of videos, and the view that serves them.

Articles, the studio and the rendering of issues call this room. Images in documents are described in
`newsletter.content`.
"""
