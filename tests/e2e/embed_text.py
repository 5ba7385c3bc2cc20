#!/usr/bin/env python3
"""embed_text.py's `folder`: its vectors against those of golden/make_text_folders.py (transformers' SiglipModel) and of
golden/make_layouts.py, and what cdul-label says and makes of them.
    embed_text.py CDUL_LABEL     in an empty folder
"""
import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
from safetensors import safe_open

LABEL = sys.argv[1]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
sys.path.insert(0, str(ROOT / "scripts"))
PICTURES = GOLDEN / "encoder/pictures"
PROMPTS = ["a photo of a Cat", "a photo of a dining  table!", "a photo of a café", "A bus_stop by night (dark).", "CAFÉ",
           " ".join(["horse"] * 90)]  # of make_text_folders.py


def run(code, *command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def embed(code, *words):
    """Runs embed_text.py in this process, since its imports take longer than its work here. Returns what it says."""
    import embed_text  # that of scripts/

    said, kept, got = io.StringIO(), sys.argv, 0
    sys.argv = ["embed_text.py", *map(str, words)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            embed_text.main()
    except SystemExit as exit_:
        got = exit_.code if isinstance(exit_.code, int) else 1
        said.write("" if isinstance(exit_.code, int) else str(exit_.code))
    finally:
        sys.argv = kept
    assert got == code, (words, got, said.getvalue())
    return said.getvalue()


def read(path, tensor="text_embeds"):
    with safe_open(path, "numpy") as file:
        return file.get_tensor(tensor), file.metadata() or {}


def agree(got, want, what):
    apart = min(abs(want[i] - want[j]).max() for i in range(len(want)) for j in range(i))
    error = abs(got - want).max()
    print(f"{what}: vectors differ by {error:.2g}, those of two prompts by {apart:.2g} at the least")
    assert error < 1e-4 and error < 0.01 * apart, what


def vectors_are_those_of_transformers():
    Path("prompts.txt").write_text("".join(f"{i}\t{prompt}\n" for i, prompt in enumerate(PROMPTS)))
    for name in "siglip", "siglip2":
        folder = GOLDEN / "text_folders" / name
        said = embed(0, "folder", folder, "-C", "prompts.txt", "-t", "{}", "-o", "got.safetensors")
        assert "embed_text: warning: 1 prompts are longer than the encoder's context and were cut" in said, said
        agree(read("got.safetensors")[0], read(folder / "expected.safetensors", "text")[0], name)


def layouts_are_read_as_cdul_reads_them():
    Path("layouts.txt").write_text("cat\nzebra\ncafé\na horse\n")
    for name in "transformers_js", "immich", "clip_variants", "optimum", "optimum_siglip":
        folder = GOLDEN / "layouts" / name
        embed(0, "folder", folder, "-C", "layouts.txt", "-t", "{}", "-o", "got.safetensors")
        agree(read("got.safetensors")[0], read(folder / "expected.safetensors", "text")[0], name)


def label(code, folder, *words):
    return run(code, LABEL, "-e", folder, "-T", "0.1", "--bias", "1", PICTURES, "-o", "labels.safetensors", *words)


ADVICE = "make text.safetensors in the folder with embed_text.py of cdul's sources: docs/encoders.md"


def what_the_message_says_makes_labels():
    folder = "it's siglip"
    shutil.copytree(GOLDEN / "text_folders/siglip", folder)
    Path("my classes.txt").write_text("cat\ntable\tdining table, Table\n")
    Path("background.txt").write_text("night\n")
    said = label(1, folder, "-C", "my classes.txt")
    assert "model.type is 'Unigram', expected BPE" in said, said
    assert ADVICE in said, said
    assert ADVICE in run(0, LABEL, "--inspect", folder)
    run(0, sys.executable, ROOT / "scripts/embed_text.py", "folder", folder, "--classes", "my classes.txt")
    said = label(0, folder, "-C", "my classes.txt")
    assert f"class vectors: text.safetensors in {folder}" in said, said
    assert "text:        text.safetensors" in run(0, LABEL, "--inspect", folder)

    # Synonyms apart, and background words as well.
    said = label(2, folder, "-C", "my classes.txt", "--synonyms", "max")
    assert "embed_text.py --synonyms max" in said, said
    Path(folder, "text.safetensors").unlink()
    more = ["-C", "my classes.txt", "--synonyms", "max", "--background-words", "background.txt", "--score", "softmax"]
    said = run(1, LABEL, "-e", folder, PICTURES, "-T", "0.1", "-o", "labels.safetensors", *more)
    assert ADVICE in said, said
    embed(0, "folder", folder, "--classes", "my classes.txt", "--background-words", "background.txt", "--synonyms", "max")
    vectors, facts = read(f"{folder}/text.safetensors")
    assert len(vectors) == 4 and json.loads(facts["class_of"]) == [0, 1, 1, 2], facts
    assert json.loads(facts["classes"]) == ["cat", "table", "night"], facts
    run(0, LABEL, "-e", folder, PICTURES, "-T", "0.1", "-o", "labels.safetensors", *more)
    assert read("labels.safetensors", "labels")[0].shape[1] == 2
    said = label(2, folder, "-C", "my classes.txt")
    assert "has a vector for each word, which only --synonyms max reads" in said, said


def scale_and_bias_of_the_folder_are_kept():
    shutil.copytree(GOLDEN / "text_folders/siglip2", "scaled")
    Path("scaled/cdul.json").write_text('{"logit_scale": 4.5, "logit_bias": -12.25}')
    Path("scaled/onnx/text_model.onnx").rename("scaled/onnx/text_model_fp16.onnx")
    embed(0, "folder", "scaled", "-C", "layouts.txt", "--variant", "fp16")
    facts = read("scaled/text.safetensors")[1]
    assert float(facts["logit_scale"]) == 4.5 and float(facts["logit_bias"]) == -12.25 and "class_of" not in facts, facts


def what_is_wrong_is_one_line(folder):
    def fails(text, *words, code=1):
        said = embed(code, *words)
        assert text in said, said

    here = ["folder", folder, "-C", "layouts.txt"]
    fails("no such folder", "folder", "nowhere", "-C", "layouts.txt")
    fails("--variant: fp16", *here)
    fails("--variant: fp16", *here, "--variant", "q4")
    fails("neither text_model.onnx", "folder", GOLDEN / "layouts/siglip", "-C", "layouts.txt")
    fails("--variant belongs to folder", "transformers", "x", "-C", "layouts.txt", "-o", "y", "--variant", "q4", code=2)
    fails("--pretrained belongs to open_clip", *here, "--pretrained", "webli", code=2)
    fails("-o is needed", "transformers", "x", "-C", "layouts.txt", code=2)
    here += ["--variant", "fp16"]
    Path("twice.txt").write_text("Dining  table\ncat\ndining Table\n")
    fails("twice.txt: line 3: class 'dining Table' has the prompts of 'Dining  table' on line 1", *here[:3], "twice.txt")
    Path("kinds.txt").write_text("polish\tshoe polish\nPolish\tPolish person\n")
    embed(0, *here[:3], "kinds.txt", *here[4:])
    fails("background word 'cat' is a name or word of class 'cat'", *here, "--background-words", "layouts.txt")
    config = json.loads(Path(folder, "tokenizer_config.json").read_text())
    Path(folder, "tokenizer_config.json").unlink()
    fails("no padding token", *here)
    Path(folder, "tokenizer_config.json").write_text(json.dumps(config))
    Path(folder, "config.json").write_text('{"model_type": "clip", "projection_dim": 16}')
    fails("pooler_output of model_type clip is what comes before the projection", *here)
    Path(folder, "config.json").write_text('{"model_type": "bert", "projection_dim": 12}')
    fails("pooler_output of model_type bert is what comes before the projection", *here)
    Path(folder, "tokenizer.json").unlink()
    Path(folder, "config.json").write_text('{"model_type": "siglip"}')
    fails("no tokenizer: none of tokenizer.json", *here)
    Path(folder, "onnx/text_model_fp16.onnx").write_bytes(b"no graph")
    fails("onnx/text_model_fp16.onnx: [ONNXRuntimeError]", *here)


vectors_are_those_of_transformers()
layouts_are_read_as_cdul_reads_them()
what_the_message_says_makes_labels()
scale_and_bias_of_the_folder_are_kept()
what_is_wrong_is_one_line("scaled")
