#!/usr/bin/env python3
"""Writes class vectors with the model's own tokenizer and text tower, for models whose tokenizer cdul does not read.

    embed_text.py transformers google/siglip-base-patch16-224 --classes classes.txt -o encoder/text.safetensors
    embed_text.py open_clip ViT-B-16-SigLIP --pretrained webli --classes classes.txt -o encoder/text.safetensors

The class list and the prompts are those of cdul-label (docs/encoders.md, "Prompts"). cdul-label finds the vectors in
the encoder's folder as text.safetensors, or takes the file with --text.

Needs what export_clip.py needs: scripts/setup.sh export, then .deps/export-venv/bin/python.
"""
import argparse
import sys
from pathlib import Path

from clip_export import classes as class_lists
from clip_export import open_clip_source, transformers_source
from clip_export.source import ExportError

LIBRARIES = {"transformers": transformers_source, "open_clip": open_clip_source}


def main():
    parser = argparse.ArgumentParser(description="Write class vectors for cdul-label.")
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("model", help="name or folder (transformers); architecture, local-dir: or hf-hub: (open_clip)")
    parser.add_argument("--pretrained", help="open_clip: tag or file of the weights")
    parser.add_argument("-C", "--classes", type=Path, required=True, help="one class a line: name, or name<TAB>words")
    class_lists.add_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="text.safetensors to write")
    args = parser.parse_args()
    try:
        classes, templates = class_lists.read_classes(args.classes), class_lists.templates_of(args)
        source = LIBRARIES[args.library].load(args.model, args.pretrained)
        vectors = class_lists.class_vectors(source.embed, classes, templates)
    except (ExportError, OSError) as error:
        sys.exit(f"embed_text: {error}")
    class_lists.write_text(args.output, classes, vectors, source)
    print(f"wrote {args.output}: {len(classes)} classes, {vectors.shape[1]} wide, {len(templates)} templates")


if __name__ == "__main__":
    main()
