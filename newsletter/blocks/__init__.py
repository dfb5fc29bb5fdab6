"""The kinds of blocks, a folder per kind. `registry` lists them; docs/add-a-block.md describes how to add one.

This package imports nothing, so that the document and rendering modules of a kind are usable without Django.
"""
