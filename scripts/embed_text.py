#!/usr/bin/env python3
"""Writes class vectors with the model's own tokenizer and text tower, for models whose tokenizer cdul does not read.

    embed_text.py folder encoder/ --classes classes.txt
    embed_text.py transformers google/siglip-base-patch16-224 --classes classes.txt -o encoder/text.safetensors
    embed_text.py open_clip ViT-B-16-SigLIP --pretrained webli --classes classes.txt -o encoder/text.safetensors

`folder` takes an encoder folder as it was downloaded: the text tower's ONNX graph and the tokenizer in it. The vectors
become text.safetensors in that folder, where cdul-label finds them; --text FILE gives it those of another place. The class
list and the prompts are those of cdul-label (docs/encoders.md, "Prompts").

Needs: scripts/setup.sh test, then .deps/venv/bin/python, for `folder`; scripts/setup.sh export, then
.deps/export-venv/bin/python, for all three.
"""
import argparse
import sys
from pathlib import Path

from clip_export import ExportError
from clip_export import classes as class_lists


def parse():
    parser = argparse.ArgumentParser(description="Write class vectors for cdul-label.")
    parser.add_argument("library", choices=["folder", "transformers", "open_clip"])
    parser.add_argument("model", help="encoder folder (folder); name or folder (transformers); architecture, local-dir: or "
                                      "hf-hub: (open_clip)")
    parser.add_argument("--pretrained", help="open_clip: tag or file of the weights")
    parser.add_argument("--variant", help="folder: text_model_VARIANT.onnx, such as fp16, as in cdul-label")
    parser.add_argument("-C", "--classes", type=Path, required=True, help="one class a line: name, or name<TAB>words")
    parser.add_argument("--background-words", type=Path, metavar="FILE",
                        help="words to embed as well, for cdul-label's option of that name")
    class_lists.add_options(parser)
    parser.add_argument("--synonyms", choices=["mean", "max"], default="mean",
                        help="max: a vector for each word of a class, for cdul-label --synonyms max")
    parser.add_argument("-o", "--output", type=Path, help="text.safetensors to write; with `folder` it is in that folder")
    args = parser.parse_args()
    if args.library == "folder":
        args.output = args.output or Path(args.model, "text.safetensors")
    elif args.output is None:
        parser.error("-o is needed")
    if args.pretrained and args.library != "open_clip":
        parser.error("--pretrained belongs to open_clip")
    if args.variant and args.library != "folder":
        parser.error("--variant belongs to folder")
    return args


def load(args):
    """The source, after a word on what was chosen."""
    if args.library == "folder":
        from clip_export import text_folder

        source, note = text_folder.load(Path(args.model), args.variant)
        if note:
            warn(note)
        return source
    import torch  # which `folder` does without

    from clip_export import open_clip_source, transformers_source

    torch.set_grad_enabled(False)
    library = {"transformers": transformers_source, "open_clip": open_clip_source}[args.library]
    return library.load(args.model, args.pretrained)


def warn(text):
    print(f"embed_text: warning: {text}", file=sys.stderr)


def main():
    args = parse()
    try:
        classes, templates = class_lists.read_classes(args.classes), class_lists.templates_of(args)
        if args.background_words:
            classes += class_lists.read_background(args.background_words, classes)
        source = load(args)
        vectors, cut = class_lists.class_vectors(source, classes, templates, args.synonyms)
        class_lists.write_text(args.output, classes, vectors, source, args.synonyms)
    except (ExportError, OSError) as error:
        sys.exit(f"embed_text: {error}")
    if cut:
        warn(class_lists.cut_note(cut))
    print(f"wrote {args.output}: {len(classes)} classes, {vectors.shape[1]} wide, {len(templates)} templates")


if __name__ == "__main__":
    main()
