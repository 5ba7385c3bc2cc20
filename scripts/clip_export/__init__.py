"""The parts of export_clip.py and embed_text.py."""


class ExportError(Exception):
    """What the user must know; printed as one line."""
