#!/usr/bin/env python3
"""Exports a CLIP model of transformers or open_clip to an encoder folder for cdul-label, and checks what it wrote.

    export_clip.py transformers openai/clip-vit-base-patch32 -o clip-vit-b32/ --photos some/*.jpg
    export_clip.py transformers path/to/saved-model/         -o encoder/
    export_clip.py open_clip ViT-B-32 --pretrained laion2b_s34b_b79k -o encoder/ --precision float16 int8
    export_clip.py open_clip RN50x64-quickgelu --pretrained openai -o encoder/ --dense
    export_clip.py open_clip ViT-B-16-SigLIP --pretrained webli -o encoder/ --classes classes.txt
    export_clip.py folder encoder/ --precision int8 --quantise static --photos mine/*.jpg

The folder holds onnx/vision_model.onnx (pixel_values -> image_embeds), onnx/text_model.onnx (input_ids ->
text_embeds) with CLIP's tokenizer, preprocessor_config.json (open_clip_config.json where that has no words for how
pictures are cropped or padded), config.json, and cdul.json with the model's own logit_scale (an exponent: T =
1 / exp(logit_scale); Radford et al., arXiv 2103.00020, section 2.5) and logit_bias (SigLIP: Zhai et al.,
arXiv 2303.15343). Embeddings are left as the towers give them; readers normalise. Reduced graphs lie beside the
float32 ones: vision_model_fp16.onnx, vision_model_quantized.onnx. ONNX opset 17, any batch, fixed picture size.

A tokenizer other than CLIP's is not read by cdul: no text graph is written then, and class vectors come from
--classes or embed_text.py.

At the end every graph runs in ONNX Runtime beside its source, on the photographs and a few prompts; cosines are
printed. The exit code is 1 if one is below the bound of its precision.

Needs: scripts/setup.sh export, then .deps/export-venv/bin/python scripts/export_clip.py ...
(torch, onnx, onnxruntime, Pillow, safetensors, and transformers or open_clip_torch; tested with torch 2.15,
transformers 5.24, open_clip_torch 3.3, timm 1.0.31)
"""
import argparse
import sys
from pathlib import Path

import numpy
import torch
from PIL import Image

from clip_export import ExportError, check, folder_source, graph, open_clip_source, transformers_source
from clip_export import classes as class_lists
from clip_export.dense import DenseTower
from clip_export.source import Tower, write_json

LIBRARIES = {"transformers": transformers_source, "open_clip": open_clip_source}
PROMPTS = ["a photo of a cat", "a photo of a dining table beside a window", "bus"]


def parse():
    def size(text):
        sides = [int(side) for side in text.split("x")]
        if len(sides) > 2 or min(sides) < 1:
            raise ValueError(text)
        return (sides[0], sides[-1])

    parser = argparse.ArgumentParser(description="Export a CLIP model to an encoder folder, and check it.")
    parser.add_argument("library", choices=[*LIBRARIES, "folder"], help="folder: reduce an encoder folder's graphs")
    parser.add_argument("model", help="name or folder (transformers); architecture, local-dir: or hf-hub: (open_clip)")
    parser.add_argument("--pretrained", help="open_clip: tag or file of the weights")
    parser.add_argument("-o", "--output", type=Path, help="encoder folder to write; with `folder` it is that one")
    parser.add_argument("--photos", nargs="+", type=Path, default=[], help="photographs to compare (and calibrate) with")
    parser.add_argument("--precision", nargs="+", choices=graph.SUFFIX, default=["float32"],
                        help="reduced graphs to write beside the float32 one")
    parser.add_argument("--quantise", choices=["dynamic", "static"], default="dynamic",
                        help="int8: scales of activations found while running, or from every other photograph")
    parser.add_argument("--size", type=size, help="another input size, N or HEIGHTxWIDTH; positions are interpolated")
    parser.add_argument("--dense", action="store_true", help="also return a vector for each patch or cell")
    parser.add_argument("--images-only", action="store_true", help="no text tower and no tokenizer")
    parser.add_argument("-C", "--classes", type=Path, help="class list, to write text.safetensors as well")
    class_lists.add_options(parser)
    args = parser.parse_args()
    if (args.output is None) != (args.library == "folder"):
        parser.error("-o is needed" if args.output is None else "`folder` writes into that folder; leave -o out")
    if args.library == "folder" and (args.pretrained or args.size or args.dense or args.images_only or args.classes):
        parser.error("`folder` takes --precision, --quantise and --photos alone")
    if args.quantise == "static" and ("int8" not in args.precision or len(args.photos) < 2):
        parser.error("--quantise static is for --precision int8, and calibrates on --photos, of which it needs two")
    if args.classes and args.images_only:
        parser.error("--classes needs the text tower that --images-only leaves out")
    if (args.template or args.templates) and not args.classes:
        parser.error("templates are for --classes")
    args.precision = sorted(set(args.precision) | {"float32"}, key=list(graph.SUFFIX).index)
    return args


def read_photos(source, photos):
    """[N, 3, H, W]"""
    rows = []
    for photo in photos:
        with Image.open(photo) as image:
            rows.append(numpy.asarray(source.pixels(image.convert("RGB")), numpy.float32))
    return numpy.stack(rows)


def export_vision(source, path, example, want_dense):
    """Returns the module that was traced."""
    tower, outputs, facts = Tower(source.modules, source.vision), ["image_embeds"], {"provenance": source.name}
    if want_dense:
        if source.dense is None:
            raise ExportError(f"--dense: no way is known for {type(source.modules).__name__} of {source.name}")
        tower = DenseTower(tower, source.dense)
        outputs.append("dense_embeds")
        count = tower(example)[1].shape[1]
        rows = round((count * source.size[0] / source.size[1]) ** 0.5)
        if rows == 0 or count % rows:
            raise ExportError(f"--dense: {count} cells are no grid of {source.size[0]} x {source.size[1]} pixels")
        facts["dense_grid"] = f"{rows}x{count // rows}"
    graph.export(tower, example, path, "pixel_values", outputs, facts)
    return tower


def write_folder(args, source, photos):
    """Config files, float32 graphs, class vectors. Returns the dense tower or None."""
    if args.output.exists() and any(args.output.iterdir()):
        raise ExportError(f"{args.output}: not empty; what an earlier export left would be read with the new files")
    (args.output / "onnx").mkdir(parents=True, exist_ok=True)
    vision, text = (args.output / "onnx" / f"{tower}_model.onnx" for tower in ("vision", "text"))
    source.save(args.output)
    facts = {"logit_scale": source.logit_scale, "logit_bias": source.logit_bias, "provenance": source.name}
    write_json(args.output / "cdul.json", {key: value for key, value in facts.items() if value is not None})
    example = torch.from_numpy(photos[:1]) if len(photos) else source.pixels(Image.new("RGB", (320, 240)))[None]
    tower = export_vision(source, vision, example, args.dense)
    if source.text:
        graph.export(Tower(source.modules, source.text), source.tokens(PROMPTS[:2]), text, "input_ids", ["text_embeds"],
                     {"provenance": source.name})
    if args.classes:
        classes = class_lists.read_classes(args.classes)
        vectors, cut = class_lists.class_vectors(source, classes, class_lists.templates_of(args))
        class_lists.write_text(args.output / "text.safetensors", classes, vectors, source)
        if cut:
            source.notes.append(class_lists.cut_note(cut))
    elif source.embed and not source.text:
        source.notes.append(f"text: cdul does not read {source.tokenizer_name}; write class vectors with\n"
                            f"  scripts/embed_text.py {args.library} {args.model}"
                            + (f" --pretrained {args.pretrained}" if args.pretrained else "")
                            + f" --classes classes.txt -o {args.output / 'text.safetensors'}")
    return tower if args.dense else None


def reduce(args, path, calibration):
    for precision in args.precision:
        if precision == "float16":
            graph.to_float16(path)
        if precision == "int8":
            graph.to_int8(path, calibration)


def compare_vision(args, table, source, dense_tower, vision, photos):
    def reference(rows):
        return source.reference(torch.from_numpy(rows))

    theirs, source_speed = check.run_source(reference, photos)
    if dense_tower:
        cells, _ = check.run_source(lambda rows: dense_tower(torch.from_numpy(rows))[1], photos)
    for precision in args.precision:
        path = graph.variant(vision, precision)
        ours, speed = check.run_graph(path, photos)
        name = "image_embeds" if "image_embeds" in ours else source.output
        table.add("image", precision, path, ours[name], theirs, speed, source_speed)
        if dense_tower:
            table.add("cells", precision, path, ours["dense_embeds"], cells, speed, source_speed)


def compare_text(args, table, source, text):
    ids = source.tokens(PROMPTS).numpy()
    theirs, source_speed = check.run_source(lambda rows: source.text(torch.from_numpy(rows)), ids)
    for precision in args.precision:
        path = graph.variant(text, precision)
        ours, speed = check.run_graph(path, ids)
        table.add("text", precision, path, ours["text_embeds"], theirs, speed, source_speed)


def run(args):
    if args.library == "folder":
        args.output = Path(args.model)
        source = folder_source.load(args.output)
    else:
        source = LIBRARIES[args.library].load(args.model, args.pretrained, args.size, args.images_only)
    photos = read_photos(source, args.photos) if args.photos else numpy.zeros((0, 3, 1, 1), numpy.float32)
    dense_tower = None
    if args.library != "folder":
        dense_tower = write_folder(args, source, photos)
    vision, text = (folder_source.find(args.output, tower) for tower in ("vision", "text"))
    static = args.quantise == "static"
    reduce(args, vision, photos[::2] if static else None)
    if text:
        reduce(args, text, None)
        if static:
            source.notes.append("text tower: int8 dynamic, as pictures cannot calibrate it")
    table = check.Table()
    if len(photos):
        compare_vision(args, table, source, dense_tower, vision, photos[1::2] if static else photos)
    if source.text:
        compare_text(args, table, source, text)
    table.print()
    if not len(photos):
        print("image tower: not compared; give --photos")
    for note in source.notes:
        print(f"note: {note}")
    print(f"wrote {args.output}: {source.name}, {source.size[1]} x {source.size[0]} pixels, ONNX opset {graph.OPSET}")
    return 0 if table.good else 1


def main():
    args = parse()
    try:
        with torch.no_grad():
            sys.exit(run(args))
    except (ExportError, OSError) as error:
        sys.exit(f"export_clip: {error}")


if __name__ == "__main__":
    main()
