"""The parts of export_clip.py and embed_text.py."""
