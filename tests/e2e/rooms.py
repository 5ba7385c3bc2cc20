#!/usr/bin/env python3
"""docs/architecture.md names each source file, and none that is not there.

    rooms.py FOLDER_OF_SOURCES

A room is an entry `- **src/base/**: ...` whose words in backticks are the names of its files without their endings.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / "docs" / "architecture.md").read_text()
rooms = {folder: set(re.findall(r"`([a-z0-9_]+)`", entry))
         for folder, entry in re.findall(r"^- \*\*((?:src|include)[^*]*)/\*\*:(.*?)(?=^- \*\*|^\s*$)", text, re.M | re.S)}
files = {}
for top in ("src", "include"):
    for path in (root / top).rglob("*"):
        if path.suffix in (".c", ".h", ".cpp"):
            files.setdefault(str(path.parent.relative_to(root)), set()).add(path.stem)
faults = [f"{folder}/{name}: not in docs/architecture.md" for folder in files for name in files[folder] - rooms.get(folder, set())]
faults += [f"docs/architecture.md: {folder}/ has no {name}" for folder in rooms for name in rooms[folder] - files.get(folder, set())]
for fault in sorted(faults):
    print(f"rooms.py: {fault}")
print(f"rooms.py: {len(faults)} faults" if faults else f"rooms.py: passed, {sum(map(len, files.values()))} files in {len(files)} rooms")
sys.exit(bool(faults))
