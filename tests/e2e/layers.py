#!/usr/bin/env python3
"""Layers are held: a file of src/ includes headers of its own folder, of the folders that its CMake line names after
USES, and the public ones; the programs include public headers alone; and no two files of a folder include each other.

    layers.py FOLDER_OF_SOURCES
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
faults = []


def layers():
    """{name: (folder, folders it uses)} of every cdul_layer() line."""
    found = {}
    for cmake in sorted((root / "src").rglob("CMakeLists.txt")):
        for call in re.findall(r"cdul_layer\(([^)]*)\)", re.sub(r"#.*", "", cmake.read_text())):
            words = call.split()
            folder = words[words.index("FOLDER") + 1] if "FOLDER" in words else words[0]
            found[words[0]] = folder, [w[5:] for w in words if w.startswith("cdul_")]
    return found


def includes(file):
    return re.findall(r'^#include "([^"]+)"', file.read_text(), re.M)


def circle(graph):
    """A path that comes back to where it began, or nothing."""
    done = set()

    def walk(node, path):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        for other in sorted(graph.get(node, ())):
            if found := walk(other, path + [node]):
                return found
        done.add(node)
        return None

    for node in sorted(graph):
        if found := walk(node, []):
            return found
    return None


table = layers()
folders = {folder: name for name, (folder, _) in table.items()}
for file in sorted(p for p in (root / "src").rglob("*") if p.suffix in (".c", ".h", ".cpp")):
    inside = file.relative_to(root / "src")
    own = max((f for f in folders if inside.is_relative_to(f)), key=len, default=None)
    if own is None:
        faults.append(f"{inside}: in no layer")
        continue
    # the programs stand on public headers alone, whatever they link
    allowed = {own} | {table[name][0] for name in table[folders[own]][1] if name in table} if own != "cli" else set()
    for header in includes(file):
        to = max((f for f in folders if pathlib.PurePath(header).is_relative_to(f)), key=len, default=None)
        if header.startswith("cdul/") or header == "cdul.h" or to in allowed:
            continue
        if own == "cli" and (file.parent / header).resolve().is_relative_to(root.resolve() / "src" / "cli"):
            continue
        if own != "cli" and to is None and not (root / "src" / header).exists():
            continue  # generated
        faults.append(f'{inside}: "{header}" is not of a layer that src/{own} uses')

for folder in sorted(folders):
    graph = {}
    for file in (root / "src" / folder).glob("*.[ch]*"):
        graph.setdefault(file.stem, set()).update(
            pathlib.PurePath(h).stem for h in includes(file)
            if (root / "src" / folder / pathlib.PurePath(h).name).exists() and pathlib.PurePath(h).stem != file.stem
            and not file.stem.endswith("_internal"))
    if found := circle(graph):
        faults.append(f"src/{folder}: a circle of includes: {' -> '.join(found)}")

graph = {folder: {table[u][0] for u in uses if u in table} - {folder} for _, (folder, uses) in table.items()}
if found := circle(graph):
    faults.append(f"a circle of layers: {' -> '.join(found)}")
for fault in faults:
    print(f"layers.py: {fault}")
print(f"layers.py: {len(faults)} faults" if faults else f"layers.py: passed, {len(table)} layers")
sys.exit(bool(faults))
