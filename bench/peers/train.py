"""What cdul-train does in an epoch, with torchvision's ResNet-50: labels as targets, random crops and flips by worker
processes, AdamW, channels last, bfloat16 by autocast. Runs with torch 1.13 and 2.

    train.py LABELS.csv LIST ROOT WEIGHTS.pt --size 224 --epochs 3 --precision bfloat16 --bn train --workers 2

prints a line of JSON an epoch, as cdul-train's log.jsonl has it; its time does not contain what is done once (loading, the
activations of frozen stages). --freeze 3 CACHE trains layer4 and the head on activations kept in the file CACHE."""
import argparse
import json
import os
import time

import numpy
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 16


class Pictures(Dataset):
    def __init__(self, root, names, labels, size):
        self.root, self.names, self.labels = root, names, labels
        self.augment = transforms.Compose([
            transforms.RandomResizedCrop(size, scale=(0.5, 1)), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
            transforms.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        with Image.open(os.path.join(self.root, self.names[i])) as file:
            return self.augment(file.convert("RGB")), self.labels[i]


class Activations:
    """Batches of what the frozen stages made, in random order, from a file in the network's own layout."""

    def __init__(self, file, labels):
        self.values, self.labels = file, labels

    def __iter__(self):
        for rows in numpy.array_split(numpy.random.permutation(len(self.labels)), -(-len(self.labels) // BATCH)):
            yield torch.from_numpy(self.values[rows]).permute(0, 3, 1, 2), self.labels[torch.from_numpy(rows)]


def freeze_batch_norm(model):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval().requires_grad_(False)


def keep_activations(model, loader, path, autocast):
    """[N, H, W, C] float16 in `path`, and the labels in the same order."""
    frozen = nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool, model.layer1, model.layer2, model.layer3)
    rows, labels = [], []
    with torch.inference_mode(), autocast():
        for pixels, batch_labels in loader:
            rows.append(frozen(pixels.contiguous(memory_format=torch.channels_last)).half().permute(0, 2, 3, 1).numpy())
            labels.append(batch_labels)
    numpy.save(path, numpy.concatenate(rows))
    return Activations(numpy.load(path, mmap_mode="r"), torch.cat(labels))


def optimiser(model):
    """The body at 1e-5, the head at 1e-3; no decay of biases and batch norms."""
    groups = []
    for lr, part in ((1e-5, lambda name: not name.startswith("fc.")), (1e-3, lambda name: name.startswith("fc."))):
        parameters = [p for name, p in model.named_parameters() if part(name) and p.requires_grad]
        groups += [{"params": [p for p in parameters if p.ndim > 1], "lr": lr, "weight_decay": 0.01},
                   {"params": [p for p in parameters if p.ndim == 1], "lr": lr, "weight_decay": 0}]
    fused = {"fused": True} if int(torch.__version__.split(".")[0]) > 1 else {}
    return torch.optim.AdamW([group for group in groups if group["params"]], **fused)


def main():
    parser = argparse.ArgumentParser()
    for name in ("labels", "list", "root", "weights"):
        parser.add_argument(name)
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--precision", choices=["bfloat16", "float32"], required=True)
    parser.add_argument("--bn", choices=["train", "frozen"], required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--freeze", metavar="CACHE", help="a file for activations")
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)

    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bfloat16")

    rows = {line.split(",")[0]: line.split(",")[1:] for line in open(args.labels).read().split("\n")[1:-1]}
    names = open(args.list).read().split("\n")[:-1]
    labels = torch.tensor([[float(value) for value in rows[name]] for name in names])
    model = getattr(torchvision.models, args.arch)(num_classes=labels.shape[1])
    model.load_state_dict(torch.load(args.weights))
    model = model.to(memory_format=torch.channels_last).train()
    if args.bn == "frozen":
        freeze_batch_norm(model)
    loader = DataLoader(Pictures(args.root, names, labels, args.size), BATCH, shuffle=True, num_workers=args.workers,
                        persistent_workers=True)
    forward = model
    if args.freeze:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name.startswith(("layer4.", "fc.")))
        loader = keep_activations(model, loader, args.freeze, autocast)
        forward = nn.Sequential(model.layer4, model.avgpool, nn.Flatten(), model.fc)
    adamw = optimiser(model)
    loss_of = nn.BCEWithLogitsLoss()

    for epoch in range(args.epochs):
        start, total = time.perf_counter(), 0
        for x, y in loader:
            with autocast():
                logits = forward(x.contiguous(memory_format=torch.channels_last))
            loss = loss_of(logits.float(), y)
            adamw.zero_grad(set_to_none=True)
            loss.backward()
            adamw.step()
            total += loss.item() * len(y)
        seconds = time.perf_counter() - start
        print(json.dumps({"epoch": epoch + 1, "train_loss": total / len(names), "train_seconds": seconds,
                          "train_images_per_second": len(names) / seconds}), flush=True)


if __name__ == "__main__":
    main()
