"""What photos.sh asks of real photographs: Pillow's pixels, and transformers' and onnxruntime's vectors.
    photos.py CDUL_LABEL PHOTO_PIXELS [PHOTO...]     in an empty folder; without photos, those of scikit-learn

Those of scikit-learn are china.jpg by danielbuechele and flower.jpg by vultilion, both CC BY 2.0.
"""
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from make_encoder import save, unit  # noqa: E402, which needs that path

Filter = Image.Resampling


def difference(pixels, picture, size, filter):
    out = subprocess.run([pixels, picture, *map(str, size), str(int(filter))], check=True, stdout=subprocess.PIPE).stdout
    ours = numpy.frombuffer(out, numpy.uint8).reshape(size[1], size[0], 3).astype(int)
    theirs = numpy.asarray(Image.open(picture).convert("RGB").resize(size, filter), dtype=int)
    return abs(ours - theirs).max()


def reduced(pixels, photo):
    """A JPEG decoded at a part of its size is Pillow's draft, by the same rule."""
    for least in (640, 427), (320, 213), (300, 200), (160, 106), (161, 100), (80, 53), (1, 1):
        image = Image.open(photo)
        image.draft("RGB", least)
        out = subprocess.run([pixels, photo, *map(str, image.size), "3", *map(str, least)], check=True, stdout=subprocess.PIPE).stdout
        ours = numpy.frombuffer(out, numpy.uint8).reshape(image.height, image.width, 3)
        assert (ours == numpy.asarray(image)).all(), (photo, least)


def resized(pixels, photos):
    """From Pillow's own pixels, so that resizing alone is compared; then from the file."""
    for photo in photos:
        image = Image.open(photo).convert("RGB")
        image.save("decoded.ppm")
        shortest = [round(side * 224 / min(image.size)) for side in image.size]  # CLIP's, to within a pixel
        sizes = [shortest, (224, 224), (37, 55), (448, 336), [2 * side for side in image.size]]
        largest = max(difference(pixels, "decoded.ppm", size, filter)
                      for size in sizes for filter in (Filter.BICUBIC, Filter.BILINEAR, Filter.LANCZOS))
        decoded = difference(pixels, photo, image.size, Filter.BICUBIC)
        both = difference(pixels, photo, shortest, Filter.BICUBIC)
        reduced(pixels, photo)
        print(f"{photo.name}: largest difference: resized {largest}, decoded {decoded}, both {both}")
        assert largest <= 1 and decoded <= 1 and both <= 1, photo


def make_large(folder):
    """The tiny encoder's settings at the sizes of openai/clip-vit-base-patch32, whose first layer is like this one."""
    rng = numpy.random.default_rng(1)
    patch, channels, side = 32, 8, 7
    kernel = rng.normal(0, 0.02, (channels, 3, patch, patch)).astype(numpy.float32)
    save(folder / "onnx" / "vision_model.onnx",
         [helper.make_node("Conv", ["pixel_values", "kernel"], ["patches"], strides=[patch, patch]),
          helper.make_node("Flatten", ["patches"], ["image_embeds"])],
         {"pixel_values": (TensorProto.FLOAT, ["batch", 3, 224, 224])},
         {"image_embeds": (TensorProto.FLOAT, ["batch", channels * side * side])}, {"kernel": kernel})
    shutil.copy(GOLDEN / "encoder" / "clip" / "config.json", folder)
    settings = json.loads((GOLDEN / "encoder" / "clip" / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "size": 224, "crop_size": 224}))


def our_vectors(label, folder, width, photos):
    """Class vectors are the unit vectors, so the saved cosines are the picture's own vector."""
    save_file({"text_embeds": numpy.eye(width, dtype=numpy.float32)}, "axes.safetensors",
              {"classes": json.dumps([f"axis {i}" for i in range(width)])})
    subprocess.run([label, "-q", "-e", folder, "--text", "axes.safetensors", "-T", "1", *photos, "-o",
                    "labels.safetensors", "--save-scores", "scores.safetensors"], check=True)
    with safe_open("scores.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["images"]) == [str(photo) for photo in photos]
        whole, crops = file.get_tensor("cosine_global"), file.get_tensor("cosine_crops")
    return numpy.concatenate([whole[:, None], crops], 1).astype(numpy.float64)


def pipeline(session, processor, photo):
    """The whole picture in the processor's way, and 3 x 3 tiles squashed by Pillow."""
    image = Image.open(photo).convert("RGB")
    views = [processor(image, return_tensors="np")["pixel_values"][0]]
    side = views[0].shape[1]
    for row in range(3):
        for column in range(3):
            box = [round(length * (start + step) / 3) for step in (0, 1)
                   for length, start in ((image.width, column), (image.height, row))]
            tile = numpy.asarray(image.crop(box).resize((side, side), Filter.BICUBIC), numpy.float32) / 255
            views.append(((tile - processor.image_mean) / processor.image_std).transpose(2, 0, 1))
    return session.run(["image_embeds"], {"pixel_values": numpy.stack(views).astype(numpy.float32)})[0]


def embedded(label, folder, photos):
    session = onnxruntime.InferenceSession(folder / "onnx" / "vision_model.onnx", providers=["CPUExecutionProvider"])
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    theirs = unit(numpy.stack([pipeline(session, processor, photo) for photo in photos]))
    ours = our_vectors(label, folder, theirs.shape[-1], photos)
    assert ours.shape == theirs.shape and abs(numpy.linalg.norm(ours, axis=-1) - 1).max() < 1e-5
    cosine = (ours * theirs).sum(-1)
    apart = (theirs[:-1] * theirs[1:]).sum(-1).max() if len(photos) > 1 else 0
    print(f"{folder.name}: smallest cosine {cosine[:, 0].min():.9f}, of crops {cosine[:, 1:].min():.9f};"
          f" between photos at most {apart:.4f}")
    assert cosine.min() >= 0.9999 and apart < 0.999


def main():
    label, pixels = sys.argv[1:3]
    folder = Path(importlib.util.find_spec("sklearn").origin).parent / "datasets" / "images"
    photos = [Path(name) for name in sys.argv[3:]] or [folder / "china.jpg", folder / "flower.jpg"]
    resized(pixels, photos)
    make_large(Path("large"))
    for encoder in (GOLDEN / "encoder" / "clip", Path("large")):
        embedded(label, encoder, photos)


main()
