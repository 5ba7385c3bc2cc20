"""What cdul-label does, from files to labels: worker processes decode and preprocess, one process runs the network.

    label.py ENGINE ENCODER LIST OUTPUT --side 224 --grid 3 --batch 4 --workers 2

ENGINE: torch, torch-bfloat16, torch-compile, onnxruntime, openvino, openvino-bfloat16. --grid 0: whole pictures alone."""
import argparse
from pathlib import Path

import numpy

import networks
import views


def network(engine, encoder):
    if not engine.startswith("torch"):
        return networks.of_graph(engine, encoder / "onnx" / "vision_model.onnx")
    import open_clip

    model = open_clip.create_model(f"local-dir:{encoder.parent / 'model'}")
    return networks.of_torch(model.visual, engine.partition("-")[2] or "eager")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("encoder", type=Path)
    parser.add_argument("list")
    parser.add_argument("output")
    for option in ("--side", "--grid", "--batch", "--workers"):
        parser.add_argument(option, type=int, required=True)
    args = parser.parse_args()
    paths = views.read_list(args.list)
    run = network(args.engine, args.encoder)
    rows = [run(batch) for batch in views.batches(views.Views(paths, args.side, args.grid), args.batch, args.workers)]
    names, classes, temperature = views.read_classes(args.encoder)
    vectors = numpy.concatenate(rows).reshape(len(paths), -1, classes.shape[1])
    views.write_labels(args.output, views.labels_of(vectors, classes, temperature), paths, names)


if __name__ == "__main__":
    main()
