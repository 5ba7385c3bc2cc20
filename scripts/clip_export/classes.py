"""Class lists, prompts and class vectors as cdul has them (docs/encoders.md, "Prompts")."""
import json
import re
from pathlib import Path

import numpy
import torch

from .source import ExportError

DEFAULT_TEMPLATE = "a photo of a {}"
PROMPTS_C = Path(__file__).resolve().parents[2] / "src" / "encoder" / "prompts.c"
PLACEHOLDER = re.compile(r"\{c?\}")
BATCH = 32


def read_classes(path):
    """[(name, words)] of a file with lines `name` or `name<TAB>word, word`."""
    classes = []
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), 1):
        name, tab, words = (part.strip(" \r") for part in line.partition("\t"))
        if not name and not tab:
            continue
        words = [word.strip(" \r") for word in words.split(",")] if tab else [name]
        if not name or not all(words):
            raise ExportError(f"{path}: line {number}: an empty name or word")
        if name in dict(classes):
            raise ExportError(f"{path}: line {number}: class '{name}' is there already")
        classes.append((name, words))
    if not classes:
        raise ExportError(f"{path}: no classes in it; write one a line")
    return classes


def templates_named(name):
    """A set of templates, read where cdul itself has them."""
    arrays = dict(re.findall(r"static const char \*const (\w+)\[\] = \{(.*?)\n\};", PROMPTS_C.read_text(), re.S))
    key = name.replace("-", "_")
    if key not in arrays:
        raise ExportError(f"no set of prompt templates is called '{name}'; there are: "
                          + ", ".join(sorted(array.replace("_", "-") for array in arrays)))
    return re.findall(r'"(.*?)"', arrays[key])


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=-1, keepdims=True)


def class_vectors(embed, classes, templates):
    """[C, D], w_c = normalise(mean over templates and words of normalise(E_text(prompt)))."""
    for template in templates:
        if len(PLACEHOLDER.findall(template)) != 1:
            raise ExportError(f"template '{template}': one {{}} for the class's name is needed")
    prompts = [(c, PLACEHOLDER.sub(lambda _: word, template)) for c, (_, words) in enumerate(classes)
               for word in words for template in templates]
    sums = 0
    for start in range(0, len(prompts), BATCH):
        part = prompts[start:start + BATCH]
        with torch.no_grad():
            rows = unit(embed([text for _, text in part]).double().numpy())
        if isinstance(sums, int):
            sums = numpy.zeros((len(classes), rows.shape[1]))
        numpy.add.at(sums, [c for c, _ in part], rows)
    return unit(sums).astype(numpy.float32)


def write_text(path, classes, vectors, source):
    from safetensors.numpy import save_file

    facts = {"logit_scale": source.logit_scale, "logit_bias": source.logit_bias}
    save_file({"text_embeds": vectors}, path, {
        "classes": json.dumps([name for name, _ in classes], ensure_ascii=False),
        **{key: repr(value) for key, value in facts.items() if value is not None}})


def add_options(parser):
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-t", "--template", action="append", default=[], metavar="TEXT",
                       help=f"prompt with {{}} for the class's name; repeat for several (default: {DEFAULT_TEMPLATE})")
    group.add_argument("--templates", metavar="SET", help="a named set of prompts: simple, openai-80")


def templates_of(args):
    if args.templates:
        return templates_named(args.templates)
    return args.template or [DEFAULT_TEMPLATE]
