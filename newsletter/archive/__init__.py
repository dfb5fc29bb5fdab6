"""The public web archive: pages, feeds and calendar files of sent issues. No request is counted, and no data of a
reader is shown.
"""
