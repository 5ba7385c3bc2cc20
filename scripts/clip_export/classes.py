"""Class lists, prompts and class vectors as cdul has them (docs/encoders.md, "Prompts")."""
import json
import re
import unicodedata
from pathlib import Path

import numpy

from . import ExportError
from .texts import lower

DEFAULT_TEMPLATE = "a photo of a {}"
PROMPTS = Path(__file__).resolve().parents[2] / "configs" / "prompts"
PLACEHOLDER = re.compile(r"\{c?\}")
BATCH = 32


def folded(text):
    """As CLIP's tokenizer has it."""
    return lower(re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)))


def read_classes(path):
    """[(name, words)] of a file with lines `name` or `name<TAB>word, word`."""
    classes, lines, keys = [], {}, {}
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), 1):
        name, tab, words = (part.strip(" \r") for part in line.partition("\t"))
        if not name and not tab:
            continue
        words = [word.strip(" \r") for word in words.split(",")] if tab else [name]
        if not name or not all(words):
            raise ExportError(f"{path}: line {number}: an empty name or word")
        if name in lines:
            raise ExportError(f"{path}: line {number}: class '{name}' is on line {lines[name]} already")
        key = (folded(name), *map(folded, words))
        if key in keys:
            raise ExportError(f"{path}: line {number}: class '{name}' has the prompts of '{keys[key]}' on line "
                              f"{lines[keys[key]]}, as an encoder sees neither case nor spacing: leave one out, or give "
                              "it other words after a tab")
        lines[name], keys[key] = number, name
        classes.append((name, words))
    if not classes:
        raise ExportError(f"{path}: no classes in it; write one a line")
    return classes


def read_background(path, classes):
    """Background words, which no class may have as its name or among its words."""
    owners = {word.lower(): name for name, words in classes for word in [name, *words]}
    background = read_classes(path)
    for name, words in background:
        for word in [name, *words]:
            if word.lower() in owners:
                raise ExportError(f"{path}: background word '{word}' is a name or word of class '{owners[word.lower()]}'; "
                                  "remove it")
    return background


def templates_named(name):
    """A set of templates, from the file that cdul itself is built with."""
    sets = {path.stem: path for path in PROMPTS.glob("*.txt")}
    if name not in sets:
        raise ExportError(f"no set of prompt templates is called '{name}'; there are: " + ", ".join(sorted(sets)))
    return sets[name].read_text().splitlines()


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=-1, keepdims=True)


def class_vectors(source, classes, templates, synonyms="mean"):
    """w_c = normalise(mean over templates and words of normalise(E_text(prompt))) [C, D], or with synonyms "max" the
    same for each word [R, D]; and how many prompts were cut."""
    for template in templates:
        if len(PLACEHOLDER.findall(template)) != 1:
            raise ExportError(f"template '{template}': one {{}} for the class's name is needed")
    words = [(c, word) for c, (_, words) in enumerate(classes) for word in words]
    rows = range(len(words)) if synonyms == "max" else [c for c, _ in words]
    prompts = [(row, PLACEHOLDER.sub(lambda _: word, template)) for row, (_, word) in zip(rows, words)
               for template in templates]
    sums, cut = None, 0
    for start in range(0, len(prompts), BATCH):
        where, texts = zip(*prompts[start:start + BATCH])
        vectors = unit(numpy.asarray(source.embed(list(texts)), numpy.float64))
        if sums is None:
            sums = numpy.zeros((rows[-1] + 1, vectors.shape[1]))
        numpy.add.at(sums, list(where), vectors)
        cut += source.cut(list(texts))
    return unit(sums).astype(numpy.float32), cut


def cut_note(cut):
    return f"{cut} prompts are longer than the encoder's context and were cut"


def write_text(path, classes, vectors, source, synonyms="mean"):
    from safetensors.numpy import save_file

    facts = {"logit_scale": source.logit_scale, "logit_bias": source.logit_bias}
    metadata = {key: repr(value) for key, value in facts.items() if value is not None}
    if synonyms == "max":
        metadata["class_of"] = json.dumps([c for c, (_, words) in enumerate(classes) for _ in words])
    save_file({"text_embeds": vectors}, path,
              {"classes": json.dumps([name for name, _ in classes], ensure_ascii=False), **metadata})


def add_options(parser):
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-t", "--template", action="append", default=[], metavar="TEXT",
                       help=f"prompt with {{}} for the class's name; repeat for several (default: {DEFAULT_TEMPLATE})")
    group.add_argument("--templates", metavar="SET", help="a named set of prompts: simple, openai-80")


def templates_of(args):
    if args.templates:
        return templates_named(args.templates)
    return args.template or [DEFAULT_TEMPLATE]
