#!/usr/bin/env python3
"""scripts/encoder/categories.py gives each of ImageNet's categories the sense that fits its place in ImageNet's order.

    senses.py FOLDER_OF_SOURCES

On a WordNet of a few synsets, whose first sense of "toaster", "crane" and "hotdog" is a person, as in the real one.
"""
import json
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(sys.argv[1]) / "scripts" / "encoder"))
import categories  # noqa: E402, which needs that path

# synset: (lemmas, parent)
SYNSETS = {
    1: (["entity"], None), 2: (["animal"], 1), 3: (["artifact"], 1), 4: (["person"], 1), 5: (["food"], 1),
    10: (["toaster"], 4), 11: (["toaster"], 3),
    20: (["crane"], 4), 21: (["crane"], 2), 22: (["crane"], 3),
    30: (["hotdog"], 4), 31: (["hotdog"], 5),
    40: (["groom"], 4), 41: (["groom"], 4),
}
PLACES = {134: "crane", 517: "crane", 859: "toaster", 934: "hotdog", 982: "groom"}
WANTED = {134: 21, 517: 22, 859: 11, 934: 31, 982: 40}


def write_wordnet(folder):
    lemmas = {}
    with open(folder / "data.noun", "w") as data:
        data.write("  1 licence\n")
        for offset, (names, parent) in SYNSETS.items():
            pointers = f"001 @ {parent:08} n 0000" if parent else "000"
            words = " ".join(f"{name} 0" for name in names)
            data.write(f"{offset:08} 03 n {len(names):02x} {words} {pointers} | gloss\n")
            for name in names:
                lemmas.setdefault(name, []).append(offset)
    with open(folder / "index.noun", "w") as index:
        index.write("  1 licence\n")
        for name, offsets in lemmas.items():
            index.write(f"{name} n {len(offsets)} 1 @ {len(offsets)} 0 {' '.join(f'{o:08}' for o in offsets)}\n")


with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch)
    write_wordnet(folder)
    nouns = categories.Nouns(folder)
    filler = ["crane" if i in categories.ANIMALS else "toaster" if i in categories.ARTIFACTS else "hotdog" for i in range(1000)]
    names = [PLACES.get(i, filler[i]) for i in range(1000)]
    found = categories.synsets(nouns, names)
    for place, synset in WANTED.items():
        assert found[place] == synset, f"category {place}, {names[place]}: sense {found[place]}, not {synset}"
    person = nouns.lookup("person")[0]
    below = [i for i, synset in enumerate(found) if person in nouns.with_ancestors(synset)]
    assert below == [982], f"categories of person: {json.dumps(below[:20])}"
print("senses.py: passed")
