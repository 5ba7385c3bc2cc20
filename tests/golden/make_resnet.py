#!/usr/bin/python3
"""Makes tests/golden/resnet/: what torchvision's ResNets answer. Needs torch, torchvision and numpy.

Weights, images and labels come from a formula that the tests compute as well (tests/unit/resnet_golden.h), so
only answers are stored. They are computed in float64, so that the reference's own rounding does not count."""
import json
import pathlib
import struct

import numpy as np
import torch
import torchvision

OUT = pathlib.Path(__file__).parent / "resnet"
CLASSES, BATCH, SIDE, SAMPLES = 5, 4, 64, 8
MASK = (1 << 64) - 1


def uniform(name, count):
    """[count] in [0, 1): SplitMix64's finaliser over a counter that starts at the name's FNV-1a hash."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def fill(name, shape, joins, steady):
    """The tensor called `name`, float32. `steady` is for gradients: batch norm's bias is +-(0.5 to 1), several times
    its weight, and positive where a branch (`joins` in the name) ends. So hardly any activation is so near 0 that
    rounding decides whether relu lets its gradient pass; with lively weights, torchvision's own gradients in float32
    and float64 differ by a hundredth."""
    u = uniform(name, int(np.prod(shape)))
    kind = name.rsplit(".", 1)[1]
    if len(shape) == 4:
        values = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
    elif name.startswith("fc."):
        values = 0.2 * u - 0.1
    elif kind == "weight":
        values = 0.1 + 0.1 * u if steady else 0.2 + 0.4 * u
    elif kind == "bias" and steady:
        positive = (u >= 0.5) | (joins in name) | ("downsample" in name)
        values = np.where(positive, 0.5 * u + 0.5, -0.5 * u - 0.5)
    else:
        values = {"bias": 0.2 * u - 0.1, "running_mean": 0.4 * u - 0.2, "running_var": 0.5 + u}[kind]
    return torch.from_numpy(values.astype(np.float32).reshape(shape)).double()


def network(arch, steady):
    net = getattr(torchvision.models, arch.removesuffix("-caffe"))(weights=None, num_classes=CLASSES)
    if arch.endswith("-caffe"):
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 1e-3
            elif isinstance(module, torchvision.models.resnet.Bottleneck):
                module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    joins = ".bn2." if arch in ("resnet18", "resnet34") else ".bn3."
    net = net.double()
    net.load_state_dict({
        name: tensor if name.endswith("num_batches_tracked") else fill(name, tensor.shape, joins, steady)
        for name, tensor in net.state_dict().items()})
    return net


def batch():
    images = torch.from_numpy((4 * uniform("images", BATCH * 3 * SIDE * SIDE) - 2).astype(np.float32))
    labels = torch.from_numpy(uniform("labels", BATCH * CLASSES).astype(np.float32))
    return images.reshape(BATCH, 3, SIDE, SIDE).double(), labels.reshape(BATCH, CLASSES).double()


def loss_of(net):
    images, labels = (tensor.to(net.fc.weight.dtype) for tensor in batch())
    return torch.nn.functional.binary_cross_entropy_with_logits(net(images), labels)


def sketch(tensor):
    """A tensor's norm and SAMPLES elements evenly spread."""
    flat = tensor.detach().flatten()
    picks = [i * (len(flat) - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    return [flat.norm().item()] + flat[picks].tolist()


def gradients(net):
    loss_of(net).backward()
    return [sketch(parameter.grad) for parameter in net.parameters()]


def rounding(arch, exact):
    """How far torchvision's own float32 gradients are from the exact ones, by the tests' measure: the largest
    difference of a sketch in units of the gradient's root mean square, or of the element, or of 1e-4. In channels-last
    order, as cdul trains. It depends on the processor: with AVX-512 the deeper networks are twice as far off as
    with AVX2."""
    worst = 0
    net = network(arch, steady=True).train().float().to(memory_format=torch.channels_last)
    for rough, fine, parameter in zip(gradients(net), exact, net.parameters()):
        root = parameter.numel() ** 0.5
        scale = max(fine[0] / root, 1e-4)
        worst = max(worst, abs(rough[0] - fine[0]) / root / scale,
                    *(abs(r - f) / max(scale, abs(f)) for r, f in zip(rough[1:], fine[1:])))
    return worst


def steps(arch, make_optimizer):
    """The loss before each of four steps: weights decayed but for batch norm and biases, head ten times faster."""
    net = network(arch, steady=True).train()
    body = [p for n, p in net.named_parameters() if p.ndim == 4]
    plain = [p for n, p in net.named_parameters() if p.ndim == 1 and not n.startswith("fc.")]
    optimizer = make_optimizer([{"params": body, "weight_decay": 0.01}, {"params": plain},
                                {"params": list(net.fc.parameters()), "lr": 1e-3}])
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = loss_of(net)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


def write(path, tensors, metadata):
    header, offset, data = {"__metadata__": metadata}, 0, b""
    for name, values in tensors.items():
        array = np.asarray(values, dtype="<f4")
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.set_num_threads(2)
    tensors, metadata = {}, {"torch": torch.__version__, "torchvision": torchvision.__version__}
    for arch in ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50-caffe"]:
        net = network(arch, steady=False).eval()
        images, _ = batch()
        metadata[f"{arch}.names"] = json.dumps([n for n in net.state_dict() if not n.endswith("num_batches_tracked")])
        tensors[f"{arch}.logits"] = net(images).tolist()
        print(arch, "logits", tensors[f"{arch}.logits"][0])
        if arch in ("resnet101", "resnet152"):  # differ from resnet50 in the number of blocks alone
            continue
        tensors[f"{arch}.eval_gradients"] = gradients(network(arch, steady=True).eval())
        net = network(arch, steady=True).train()
        tensors[f"{arch}.train_gradients"] = gradients(net)
        tensors[f"{arch}.running"] = [sketch(b) for b in net.buffers() if b.ndim == 1]
        tensors[f"{arch}.train_rounding"] = [
            rounding(arch, tensors[f"{arch}.train_gradients"])]
        print(arch, "rounding", tensors[f"{arch}.train_rounding"][0])
    tensors["adamw"] = steps("resnet18", lambda groups: torch.optim.AdamW(groups, lr=1e-4, weight_decay=0))
    tensors["sgd"] = steps("resnet18", lambda groups: torch.optim.SGD(groups, lr=1e-4, momentum=0.9))
    print(tensors["adamw"], tensors["sgd"])
    OUT.mkdir(exist_ok=True)
    write(OUT / "answers.safetensors", tensors, metadata)


main()
