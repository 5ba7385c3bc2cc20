#!/usr/bin/env python3
"""scripts/export_clip.py and embed_text.py on models of random weights: what they write, as cdul-label reads it, against
the source model by its library's own calls. Architectures are whole but shallow.
    export_clip.py CDUL_LABEL     in an empty folder
"""
import contextlib
import io
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from export_models import checkpoint, model, word_piece  # noqa: E402, which needs that path

logging.disable(logging.WARNING)  # that a fresh model has random weights
torch.manual_seed(1)
torch.set_grad_enabled(False)
SHAPES = [(300, 200), (199, 333), (260, 260), (320, 181), (64, 250)]


def photos(folder):
    rng = numpy.random.default_rng(7)
    Path(folder).mkdir()
    for i, (width, height) in enumerate(SHAPES):
        coarse = rng.integers(0, 256, (3 + i, 4 + i, 3), dtype=numpy.uint8)
        smooth = numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), numpy.int16)
        noise = rng.integers(-20, 20, (height, width, 3))
        Image.fromarray(numpy.clip(smooth + noise, 0, 255).astype(numpy.uint8)).save(f"{folder}/{i}.png")


# --- The source model ---

def source_of(library, name, size=None):
    from clip_export import open_clip_source, transformers_source

    loader = {"open_clip": open_clip_source, "transformers": transformers_source}[library]
    return loader.load(name, size=size, images_only="siglip" in name and library == "open_clip")


def library_vectors(library, name, folder):
    """Picture vectors by the library's documented calls alone."""
    files = sorted(Path(folder).iterdir())
    pictures = [Image.open(file).convert("RGB") for file in files]
    if library == "open_clip":
        import open_clip

        net, _, prepare = open_clip.create_model_and_transforms(name)
        rows = net.eval().encode_image(torch.stack([prepare(picture) for picture in pictures]))
    elif "siglip2" in name:  # NaFlex: the fixed square, through the library's own patches and masks
        import transformers

        processor = transformers.Siglip2ImageProcessor.from_pretrained(name)
        squares = [picture.resize((64, 64), Image.Resampling(processor.resample)) for picture in pictures]
        given = processor(squares, return_tensors="pt", max_num_patches=16)
        assert given["spatial_shapes"].tolist() == [[4, 4]] * len(squares), given["spatial_shapes"]
        rows = transformers.AutoModel.from_pretrained(name).eval().get_image_features(**given).pooler_output
    else:
        import transformers

        given = transformers.AutoImageProcessor.from_pretrained(name)(pictures, return_tensors="pt")
        rows = transformers.AutoModel.from_pretrained(name).eval().get_image_features(**given).pooler_output
    return [file.name for file in files], rows.double().numpy()


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=-1, keepdims=True)


# --- What cdul-label made of it ---

def vision_graph(encoder):
    return onnxruntime.InferenceSession(f"{encoder}/onnx/vision_model.onnx", providers=["CPUExecutionProvider"])


def width_of(encoder):
    graph = vision_graph(encoder)
    sizes = graph.get_inputs()[0].shape
    return graph.run(["image_embeds"], {"pixel_values": numpy.zeros((1, *sizes[1:]), numpy.float32)})[0].shape[1]


def basis(encoder):
    count = width_of(encoder)
    save_file({"text_embeds": numpy.eye(count, dtype=numpy.float32)}, f"{encoder}.basis.safetensors",
              {"classes": json.dumps([str(i) for i in range(count)])})


def read_scores(path):
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["images"]), file.get_tensor("cosine_global").astype(numpy.float64)


def vectors(encoder, library, name, saved, folder):
    images, ours = read_scores(saved)
    names, theirs = library_vectors(library, name, folder)
    assert images == names, images
    theirs = unit(theirs)
    # what all pictures share is taken off: the rest must agree as well
    middle = theirs.mean(0)
    whole, rest = (unit(ours) * theirs).sum(1), (unit(ours - middle) * unit(theirs - middle)).sum(1)
    apart = float((theirs @ theirs.T)[~numpy.eye(len(theirs), dtype=bool)].mean())
    print(f"{encoder}: smallest cosine {whole.min():.6f}, less the mean {rest.min():.6f}; pictures apart {apart:.4f}")
    assert whole.min() >= 0.9999 and rest.min() >= 0.99, encoder


def scores(encoder, library, name, saved, folder, classes):
    from clip_export.classes import read_classes

    images, ours = read_scores(saved)
    names, pictures = library_vectors(library, name, folder)
    assert images == names, images
    embed = source_of(library, name).embed
    texts = []
    for _, words in read_classes(Path(classes)):
        rows = embed([f"a photo of a {word}" for word in words]).double().numpy()
        texts.append(unit(unit(rows).mean(0)))
    expected = unit(pictures) @ numpy.stack(texts).T
    difference, spread = abs(ours - expected).max(), expected.std()
    print(f"{encoder}: cosines differ by {difference:.2g}, spread {spread:.2g}")
    assert difference < max(0.02 * spread, 1e-4), encoder


# --- Vectors of cells ---

def identity_mask(length):
    mask = torch.full((length, length), float("-inf"))
    mask.fill_diagonal_(0)
    return mask


def input_of(layer, run):
    """What a layer is given while `run` runs."""
    seen = []
    handle = layer.register_forward_pre_hook(
        lambda _, given, named: seen.append(given[0] if given else next(iter(named.values()))), with_kwargs=True)
    run()
    handle.remove()
    return seen[-1]


def dense_open_clip(visual, pixels):
    """[B, P, D], each family in another way than export/dense.py."""
    kind = type(visual).__name__
    if kind == "ModifiedResNet":
        # the pool itself on a map of one cell: mean token and cell are the same then, and so is what they attend to
        cells = input_of(visual.attnpool, lambda: visual(pixels))
        visual.attnpool.positional_embedding = torch.nn.Parameter(torch.zeros(2, cells.shape[1]))
        return torch.stack([visual.attnpool(cells[:, :, r:r + 1, c:c + 1])
                            for r in range(cells.shape[2]) for c in range(cells.shape[3])], 1)
    if kind == "VisionTransformer":
        block = visual.transformer.resblocks[-1]
        tokens = input_of(block, lambda: visual(pixels))
        tokens = block(tokens, attn_mask=identity_mask(tokens.shape[1]))  # every token sees itself alone
        return visual.ln_post(tokens)[:, 1:] @ visual.proj
    trunk = visual.trunk
    if getattr(trunk, "attn_pool", None) is not None:  # SigLIP, by hand: values, projection, feed-forward
        pool = trunk.attn_pool
        tokens = input_of(pool, lambda: visual(pixels))
        weight, bias = (part.chunk(2)[1] for part in (pool.kv.weight, pool.kv.bias))
        x = (tokens @ weight.T + bias) @ pool.proj.weight.T + pool.proj.bias
        return visual.head(trunk.head(trunk.fc_norm(x + pool.mlp(pool.norm(x)))))
    if hasattr(trunk, "blocks"):  # EVA: no position turns a value
        block = trunk.blocks[-1]
        tokens = input_of(block, lambda: visual(pixels))
        tokens = block(tokens, attn_mask=identity_mask(tokens.shape[1]))
        return visual.head(trunk.head(trunk.fc_norm(trunk.norm(tokens)[:, 1:])))
    maps = input_of(trunk.head, lambda: visual(pixels))  # average pooling of a map that is the same everywhere
    return torch.stack([visual.head(trunk.forward_head(maps[:, :, r:r + 1, c:c + 1].expand_as(maps)))
                        for r in range(maps.shape[2]) for c in range(maps.shape[3])], 1)


def dense_transformers(net, seen):
    vision = net.vision_model
    if hasattr(vision, "head"):
        pool, tokens = vision.head, input_of(vision.head, seen)
        weight, bias = (part.chunk(3)[2] for part in (pool.attention.in_proj_weight, pool.attention.in_proj_bias))
        x = pool.attention.out_proj(tokens @ weight.T + bias)
        return x + pool.mlp(pool.layernorm(x))
    block = vision.encoder.layers[-1]
    tokens = input_of(block, seen)
    x = tokens + block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(tokens)))
    x = x + block.mlp(block.layer_norm2(x))
    return net.visual_projection(vision.post_layernorm(x[:, 1:]))


def dense(encoder, library, name, folder):
    source = source_of(library, name)
    pixels = torch.stack([torch.as_tensor(source.pixels(Image.open(file).convert("RGB")))
                          for file in sorted(Path(folder).iterdir())[:2]])
    pooled, ours = vision_graph(encoder).run(["image_embeds", "dense_embeds"], {"pixel_values": pixels.numpy()})
    if library == "open_clip":
        theirs = dense_open_clip(source.modules.visual, pixels)
    else:
        theirs = dense_transformers(source.modules, lambda: source.reference(pixels))
    theirs = unit(theirs.numpy().astype(numpy.float64))
    rows, columns = (int(side) for side in metadata(encoder)["dense_grid"].split("x"))
    assert ours.shape == theirs.shape == (2, rows * columns, pooled.shape[1]), (ours.shape, theirs.shape)
    assert abs(numpy.linalg.norm(ours, axis=-1) - 1).max() < 1e-5
    cosine = (unit(ours) * theirs).sum(-1)
    neighbours = (theirs[:, 1:] * theirs[:, :-1]).sum(-1)
    print(f"{encoder}: {rows}x{columns} cells, smallest cosine {cosine.min():.6f}, neighbours {neighbours.mean():.4f}")
    assert cosine.min() >= 0.9999 and neighbours.mean() < 0.999, encoder


# --- The rest ---

def metadata(encoder, graph="vision_model"):
    return {entry.key: entry.value for entry in onnx.load(f"{encoder}/onnx/{graph}.onnx").metadata_props}


def grid(encoder, expected):
    assert metadata(encoder)["dense_grid"] == expected, metadata(encoder)


def bias(encoder, expected):
    facts = json.loads(Path(encoder, "cdul.json").read_text())
    assert abs(facts["logit_bias"] - float(expected)) < 1e-6 and abs(facts["logit_scale"] - numpy.log(1 / 0.07)) < 1e-6, facts


def static(encoder):
    facts = metadata(encoder, "vision_model_quantized")
    assert facts["precision"] == "int8 static, calibrated on 3 pictures", facts
    assert facts["dense_grid"] == "7x7", facts
    kinds = {node.op_type for node in onnx.load(f"{encoder}/onnx/vision_model_quantized.onnx").graph.node}
    assert "DequantizeLinear" in kinds and "ConvInteger" not in kinds, kinds


def sizes(vit, resnet, clip):
    from open_clip.model import resize_pos_embed

    net = source_of("open_clip", f"local-dir:{vit}", (288, 288)).modules.visual
    state = {"visual.positional_embedding": source_of("open_clip", f"local-dir:{vit}").modules.visual.positional_embedding}
    resize_pos_embed(state, type("Model", (), {"visual": net}))
    assert torch.allclose(state["visual.positional_embedding"], net.positional_embedding, atol=1e-5)

    small = source_of("open_clip", f"local-dir:{resnet}").modules.visual.attnpool.positional_embedding
    large = source_of("open_clip", f"local-dir:{resnet}", (224, 448)).modules.visual.attnpool.positional_embedding
    assert large.shape == (1 + 7 * 14, small.shape[1]) and torch.equal(large[0], small[0])

    x = torch.rand(2, 3, 96, 96)
    ours = source_of("transformers", clip, (96, 96)).vision(x)
    theirs = source_of("transformers", clip).modules.get_image_features(x, interpolate_pos_encoding=True).pooler_output
    assert torch.allclose(ours, theirs, atol=1e-4), abs(ours - theirs).max()
    print("sizes: as open_clip and transformers interpolate")


def templates():
    from clip_export.classes import templates_named
    from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    assert len(IMAGENET_CLASSNAMES) == 1000
    for name, theirs in ("openai-80", OPENAI_IMAGENET_TEMPLATES), ("simple", SIMPLE_IMAGENET_TEMPLATES):
        assert [text.replace("{}", "cat") for text in templates_named(name)] == [fill("cat") for fill in theirs], name


def large(encoder):
    """The way of graphs beyond 2 GiB, on a small one."""
    from clip_export import graph

    path = Path("large/vision_model.onnx")
    path.parent.mkdir()
    graph.save(onnx.load(f"{encoder}/onnx/vision_model.onnx"), path, limit=1 << 20)
    assert path.with_name("vision_model.onnx_data").stat().st_size > 100 * path.stat().st_size
    graph.ONE_FILE = 1 << 20
    graph.to_float16(path)
    x = {"pixel_values": numpy.random.default_rng(1).normal(size=(2, 3, 224, 224)).astype(numpy.float32)}
    first, second, third = (onnxruntime.InferenceSession(str(p)).run(["image_embeds"], x)[0] for p in (
        f"{encoder}/onnx/vision_model.onnx", path, graph.variant(path, "float16")))
    assert numpy.array_equal(first, second) and numpy.allclose(unit(first), unit(third), atol=1e-3)
    shutil.rmtree(path.parent)


# --- The programs ---

def clip(code, *words):
    """Runs export_clip.py in this process, since its imports take longer than its work here. Returns what it says."""
    import export_clip

    said, kept = io.StringIO(), sys.argv
    sys.argv = ["export_clip.py", *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), torch.no_grad():
            export_clip.main()
    except SystemExit as exit_:
        got = exit_.code if isinstance(exit_.code, int) else 1
        said.write("" if isinstance(exit_.code, int) else str(exit_.code))
    finally:
        sys.argv = kept
    assert got == code, f"exit {got} instead of {code}: {words}\n{said.getvalue()}"
    return said.getvalue()


def label(*words):
    done = subprocess.run([LABEL, *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def compare(encoder, library, name):
    """cdul-label's picture vectors; its cosines with texts, the class vectors being its own or Python's; cells."""
    assert f"D = {width_of(encoder)}" in label("--inspect", encoder)
    basis(encoder)
    flags = ["photos", "-a", "global", "-T", "1", "-q", "-o", "labels.safetensors", "--save-scores"]
    label("-e", encoder, "--text", f"{encoder}.basis.safetensors", *flags, "vectors")
    vectors(encoder, library, name, "vectors", "photos")
    dense(encoder, library, name, "photos")
    if Path(encoder, "onnx", "text_model.onnx").exists() or Path(encoder, "text.safetensors").exists():
        label("-e", encoder, "-C", "classes.txt", *flags, "scores")
        scores(encoder, library, name, "scores", "photos", "classes.txt")


def every_family_of_open_clip():
    for name in "RN50", "RN50x64", "ViT-B-32", "EVA02-B-16", "convnext_base", "MobileCLIP-S1":
        model(name, f"model-{name}")
        words = ["open_clip", f"local-dir:model-{name}", "-o", name, "--photos", *PHOTOS, "--dense", "--precision", "float16"]
        if name != "MobileCLIP-S1":  # whose int8 falls below the bound, with scales of three pictures
            words += ["int8", "--quantise", "dynamic" if name in ("ViT-B-32", "EVA02-B-16") else "static"]
        said = clip(0, *words)
        assert "vision_model_fp16.onnx" in said and "text_model_fp16.onnx" in said, said
        print(said)
        compare(name, "open_clip", f"local-dir:model-{name}")


def the_wrong_activation():
    """OpenAI's weights want QuickGELU; open_clip loads them without it and warns. Both sides would agree on it."""
    import open_clip.factory
    from clip_export import open_clip_source
    from clip_export import ExportError

    torch.save(open_clip.create_model("RN50").state_dict(), "rn50.pt")
    open_clip.factory.download_pretrained = lambda *args, **options: "rn50.pt"
    try:
        open_clip_source.load("RN50", "openai")
    except ExportError as error:
        assert str(error).endswith("RN50-quickgelu"), error
        print("QuickGELU: refused without its name")
    else:
        raise AssertionError("RN50 takes weights of RN50-quickgelu")
    open_clip_source.load("RN50-quickgelu", "openai")


def sigmoid_of_open_clip():
    model("ViT-B-16-SigLIP", "model-siglip")  # its tokenizer cannot be had without the hub
    said = clip(1, "open_clip", "local-dir:model-siglip", "-o", "siglip")
    assert "--images-only exports the image tower alone" in said, said
    clip(0, "open_clip", "local-dir:model-siglip", "-o", "siglip", "--images-only", "--photos", *PHOTOS, "--dense")
    bias("siglip", -10)
    compare("siglip", "open_clip", "local-dir:model-siglip")


def folder_of_open_clip():
    """embed_text.py folder, where open_clip's configuration is the only one, against embed_text.py open_clip."""
    from clip_export import graph, open_clip_source
    from clip_export.source import Tower

    shutil.copytree("siglip", "siglip-whole")
    Path("siglip-whole/config.json").unlink()
    shutil.copy("model-siglip/open_clip_config.json", "siglip-whole")
    for place in "model-siglip", "siglip-whole":
        word_piece(Path(place))
    net = open_clip_source.load("local-dir:model-siglip").modules
    graph.export(Tower(net, net.encode_text), torch.ones(2, 64, dtype=torch.long), Path("siglip-whole/onnx/text_model.onnx"),
                 "input_ids", ["text_embeds"], {})
    Path("odd.txt").write_text("Bus_Stop!\ndining  table\ncafé (of a photo)\n")
    same_vectors(["folder", "siglip-whole"], ["open_clip", "local-dir:model-siglip", "-o", "odd.safetensors"], "odd.txt")


def every_family_of_transformers():
    for name in "hf-clip", "hf-siglip", "hf-siglip2", "hf-chinese":
        checkpoint(name, f"model-{name}")
        said = clip(0, "transformers", f"model-{name}", "-o", name, "--photos", *PHOTOS, "--dense")
        if name != "hf-clip":
            command = f"scripts/embed_text.py transformers model-{name} --classes classes.txt -o {name}/text.safetensors"
            assert command in said, said
            assert not Path(name, "onnx", "text_model.onnx").exists() and not list(Path(name).glob("token*")), name
            if name == "hf-siglip":
                words = command.split()
                embed_text(*words[1:])
            else:
                clip(0, "transformers", f"model-{name}", "-o", f"{name}-text", "--classes", "classes.txt")
                shutil.copy(f"{name}-text/text.safetensors", name)
        compare(name, "transformers", f"model-{name}")


class TextTower(torch.nn.Module):
    def __init__(self, net, names):
        super().__init__()
        self.net, self.names = net, names

    def forward(self, *fields):
        return self.net.get_text_features(**dict(zip(self.names, fields))).pooler_output


def export_text(source, folder):
    """What export_clip.py leaves out as cdul does not read it: tokenizer and text tower, as others publish them."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    tokenizer.save_pretrained(folder)
    net = transformers.AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    given = tokenizer(["a photo of a cat", "bus"], padding="max_length", max_length=24, return_tensors="pt")
    names = list(given) if "chinese" in source else ["input_ids"]
    with contextlib.redirect_stderr(io.StringIO()):  # the tracer's remarks
        torch.onnx.export(TextTower(net, names), tuple(given[name] for name in names), f"{folder}/onnx/text_model.onnx",
                          opset_version=17, dynamo=False, input_names=names, output_names=["text_embeds"],
                          dynamic_axes={name: {0: "batch", 1: "sequence"} for name in names} | {"text_embeds": {0: "batch"}})
    return names


def embed_text(*words):
    """Runs embed_text.py, and returns its warnings."""
    done = subprocess.run([sys.executable, SCRIPTS / "embed_text.py", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stderr


def same_vectors(folder, library, classes):
    embed_text(*folder, "-C", classes)
    embed_text(*library, "-C", classes)
    ours, theirs = (load_file(path)["text_embeds"] for path in (f"{folder[1]}/text.safetensors", library[-1]))
    apart = min(abs(theirs[i] - theirs[j]).max() for i in range(len(theirs)) for j in range(i))
    print(f"{folder[1]}: class vectors differ by {abs(ours - theirs).max():.2g}, two classes by {apart:.2g}")
    assert abs(ours - theirs).max() < 0.01 * apart, folder


def folders_with_text_towers():
    """embed_text.py folder against embed_text.py transformers, which makes the library's own calls."""
    for name in "hf-siglip", "hf-siglip2", "hf-chinese":
        folder = f"{name}-whole"
        shutil.copytree(name, folder)
        names = export_text(f"model-{name}", folder)
        assert ("token_type_ids" in names) == (name == "hf-chinese"), names
        same_vectors(["folder", folder], ["transformers", f"model-{name}", "-o", f"{name}.text.safetensors"], "classes.txt")


def prompts_that_are_cut():
    Path("long.txt").write_text("cat\nlong\t" + "horse " * 100 + "\n")
    for words in (["open_clip", "local-dir:model-ViT-B-32"], ["transformers", "model-hf-clip"],
                  ["transformers", "model-hf-siglip"], ["transformers", "model-hf-chinese"]):
        said = embed_text(*words, "-C", "long.txt", "-o", "long.safetensors")
        assert "warning: 1 prompts are longer than the encoder's context and were cut" in said, (words, said)


def other_sizes():
    sizes("model-ViT-B-32", "model-RN50", "model-hf-clip")
    flags = ["--photos", *PHOTOS, "--images-only", "--dense"]
    clip(0, "open_clip", "local-dir:model-ViT-B-32", "-o", "sized", "--size", "160", *flags)
    grid("sized", "5x5")
    clip(0, "transformers", "model-hf-siglip", "-o", "wide", "--size", "64x96", *flags)
    grid("wide", "4x6")
    assert "not empty" in clip(1, "transformers", "model-hf-siglip", "-o", "wide", "--images-only")
    said = clip(1, "open_clip", "local-dir:model-ViT-B-32", "-o", "odd", "--size", "100")
    assert "takes multiples of 32 x 32" in said, said


def reduced_in_place():
    shutil.copytree("RN50", "reduced")
    for path in [*Path("reduced/onnx").glob("*_quantized.onnx"), *Path("reduced/onnx").glob("*_fp16.onnx")]:
        path.unlink()
    clip(0, "folder", "reduced", "--precision", "float16", "int8", "--quantise", "static", "--photos", *PHOTOS)
    assert Path("reduced/onnx/vision_model_fp16.onnx").exists()
    static("reduced")
    clip(2, "folder", "reduced", "--precision", "float16", "--quantise", "static", "--photos", *PHOTOS)
    clip(2, "folder", "reduced", "-o", "elsewhere")
    said = clip(1, "folder", "MobileCLIP-S1", "--precision", "int8")
    assert "most of its weights are convolutions" in said, said


LABEL = sys.argv[1]
photos("photos")
PHOTOS = sorted(map(str, Path("photos").iterdir()))
Path("classes.txt").write_text("cat\ndining table\ttable, dining table\ncafé\n")
for test in (every_family_of_transformers, folders_with_text_towers, every_family_of_open_clip, prompts_that_are_cut,
             sigmoid_of_open_clip, folder_of_open_clip, other_sizes, reduced_in_place, the_wrong_activation, templates,
             lambda: large("RN50")):
    test()
