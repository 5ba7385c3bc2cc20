"""ImageNet's 1,000 categories in words: WordNet's nouns say which sense a name has, and what kind of thing that is.

WordNet 3.0 database files: index.noun and data.noun as described in wndb(5WN) (Debian: wordnet-base).
"""
import sys

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
        self.parents, self.words, self.glosses = {}, {}, {}
        for line in (folder / "data.noun").read_text().splitlines():
            if not line.startswith(" "):
                # offset file type word_count(hex) [word id]... pointer_count [symbol offset pos source]... | gloss
                data, _, gloss = line.partition(" | ")
                field = data.split()
                synset, words = int(field[0]), int(field[3], 16)
                first = 4 + 2 * words
                pointers = [field[i:i + 4] for i in range(first + 1, first + 1 + 4 * int(field[first]), 4)]
                self.parents[synset] = [int(p[1]) for p in pointers if p[0] in ("@", "@i")]
                self.words[synset] = [word.replace("_", " ") for word in field[4:first:2]]
                self.glosses[synset] = gloss.split(";")[0].strip()

    def lookup(self, word):
        return self.senses.get(word.strip().lower().replace(" ", "_"), [])

    def with_ancestors(self, synset):
        found, queue = {synset}, [synset]
        while queue:
            new = set(self.parents[queue.pop()]) - found
            found |= new
            queue += new
        return found

    def parent(self, synset):
        return next(iter(self.parents[synset]), synset)


def synsets(nouns, names):
    """The synset of each ImageNet category.

    Of the senses of a name the first that fits its place in ImageNet's order counts: the first sense of "toaster" is
    someone who proposes a toast. Among the rest that is any but an animal or a person, if there is another.
    """
    animal, artifact, person = (nouns.lookup(word)[0] for word in ("animal", "artifact", "person"))
    result = []
    for index, name in enumerate(names):
        senses = [(synset, nouns.with_ancestors(synset)) for synset in nouns.lookup(name)]
        if index in ANIMALS:
            fit = [synset for synset, found in senses if animal in found]
        elif index in ARTIFACTS:
            fit = [synset for synset, found in senses if artifact in found]
        else:
            senses = [(synset, found) for synset, found in senses if animal not in found]
            fit = [synset for synset, found in senses if person not in found] or [synset for synset, _ in senses]
        if not fit:
            sys.exit(f"categories: category {index}, '{name}': no noun sense in WordNet fits its place in ImageNet's order")
        result.append(fit[0])
    return result


def describe(nouns, names):
    """Two texts for each category: "tench, a kind of cyprinid", and a longer one with its gloss."""
    short, long = [], []
    for name, synset in zip(names, synsets(nouns, names)):
        name, parent = name.replace("_", " "), nouns.parent(synset)
        above = nouns.words[parent][0]
        short.append(f"{name}, a kind of {above}")
        long.append(f"{name}, {above}, {nouns.words[nouns.parent(parent)][0]}: {nouns.glosses[synset]}")
    return short, long
