"""What cdul-predict does, from files to scores.

    predict.py ENGINE RUN LIST OUTPUT --batch 8 --workers 2

ENGINE: torch (torchvision's network), torch-bfloat16, timm, onnxruntime, openvino, openvino-bfloat16. The first three take
the run's model.safetensors, the others its model.onnx. OUTPUT is a table as cdul-predict --format csv writes it. With
--workers 0 the last three import nothing of torch."""
import argparse
import csv
import json

import numpy
from PIL import Image, ImageOps

import networks


class Pictures:
    """[3, side, side] of each: the middle square, by Pillow."""

    def __init__(self, paths, side, mean, std):
        self.paths, self.side = paths, side
        self.mean, self.std = (numpy.array(values, numpy.float32)[:, None, None] for values in (mean, std))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        side = self.side
        with Image.open(self.paths[i]) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB")
        size = [int(side * length / min(picture.size)) for length in picture.size]
        left, top = (round((length - side) / 2) for length in size)
        picture = picture.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
        return (numpy.asarray(picture, numpy.float32).transpose(2, 0, 1) / 255 - self.mean) / self.std


def of_torch(engine, run, facts):
    from safetensors.torch import load_file

    if engine == "timm":
        import timm

        module = timm.create_model(facts["arch"], num_classes=len(facts["classes"]))
    else:
        import torchvision

        module = getattr(torchvision.models, facts["arch"])(num_classes=len(facts["classes"]))
    missing, unknown = module.load_state_dict(load_file(f"{run}/model.safetensors"), strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in missing)
    network = networks.of_torch(module, engine.partition("-")[2] or "eager")
    return lambda pixels: 1 / (1 + numpy.exp(-network(pixels)))


def batches(pictures, size, workers):
    if workers:
        from torch.utils.data import DataLoader

        yield from DataLoader(pictures, size, num_workers=workers)
        return
    for first in range(0, len(pictures), size):
        yield numpy.stack([pictures[i] for i in range(first, min(first + size, len(pictures)))])


def main():
    parser = argparse.ArgumentParser()
    for name in ("engine", "run", "list", "output"):
        parser.add_argument(name)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    args = parser.parse_args()
    with open(args.list) as file:
        paths = file.read().split("\n")[:-1]
    with open(f"{args.run}/model.json") as file:
        facts = json.load(file)
    if args.engine in ("timm", "torch", "torch-bfloat16"):
        network, mean, std = of_torch(args.engine, args.run, facts), facts["mean"], facts["std"]
    else:
        network, mean, std = networks.of_graph(args.engine, f"{args.run}/model.onnx"), [0] * 3, [1] * 3
    pictures = Pictures(paths, int(facts["input_size"][0]), mean, std)
    scores = [network(batch) for batch in batches(pictures, args.batch, args.workers)]
    with open(args.output, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *facts["classes"]])
        writer.writerows([path, *row] for path, row in zip(paths, numpy.concatenate(scores).tolist()))


if __name__ == "__main__":
    main()
