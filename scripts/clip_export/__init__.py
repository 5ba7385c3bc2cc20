"""The parts of export_clip.py and embed_text.py."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before ONNX Runtime is imported: nothing is reported to its makers


class ExportError(Exception):
    """What the user must know; printed as one line."""
