#!/usr/bin/env python3
"""Writes tests/golden/csv/csv.json: odd CSV texts with the rows that Python's csv module reads from them in strict
mode (null where it raises an error; empty lines left out), and rows with the text it writes for them."""
import csv
import io
import json
import pathlib

READ = {
    "plain": "a,b\n1,2\n",
    "no_final_newline": "a,b\n1,2",
    "crlf": "a,b\r\n1,2\r\n",
    "cr": "a,b\r1,2\r",
    "mixed_line_ends": "a\rb\nc\r\nd\r\re\n\nf",
    "empty": "",
    "only_newlines": "\n\r\n\n",
    "empty_lines_between": "a\n\n\nb\n",
    "empty_fields": ",\n,,\n a ,\n",
    "quoted_empty_record": '""\n"",""\n',
    "quoted": '"a","b c"\n',
    "quoted_separator": '"a,b",c\n',
    "quoted_newlines": '"a\nb","c\r\nd","e\rf"\n',
    "doubled_quotes": '"say ""hi""",""""\n',
    "doubled_quotes_at_end": '"a""",b\n"""a"\n',
    "quote_inside_bare_field": 'a"b,c"\n5" x,6\n',
    "space_before_quote": ' "a",b\n',
    "quote_closed_by_end": '"a"',
    "quote_closed_by_cr": '"a"\r"b"\r',
    "text_behind_quote": '"a"b,c\n',
    "space_behind_quote": '"a" ,c\n',
    "quote_never_closed": 'x\n"a,b\nc\n',
    "lone_quote": '"',
    "three_quotes": '"""\n',
    "four_quotes": '""""\n',
    "unicode": "\u00e9t\u00e9,\u65e5\u672c,\U0001f600\n",
    "unicode_like_byte_order_mark": "\uff01a,b\n",
    "control_characters": "\x01\x1f,\x7f\n",
    "long_field": "x" * 5000 + "," + '"' + 'y""' * 300 + '"\n',
    "ragged": "a\nb,c\nd,e,f\n",
    "tab_is_text": "a\tb,c\n",
    "semicolon_is_text": "a;b,c\n",
}
TABS = {
    "tabs": "a\tb\n1\t2\n",
    "tabs_comma_is_text": "a,b\tc\n",
    "tabs_quoted": '"a\tb"\tc\n',
    "tabs_empty": "\t\t\n",
}
WRITE = [
    ["a", "b c", " lead", "trail "],
    ["a,b", 'say "hi"', '"', "two\nlines", "cr\rhere", "crlf\r\n"],
    ["\u00e9", "\u65e5\u672c", "'single'", "a;b", "=1+1", "#", "-"],
]


def read(text, separator):
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return [row for row in rows if row]


def written(row):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerow(row)
    return stream.getvalue()


cases = [{"name": n, "separator": ",", "text": t, "rows": read(t, ",")} for n, t in READ.items()]
cases += [{"name": n, "separator": "\t", "text": t, "rows": read(t, "\t")} for n, t in TABS.items()]
out = {"read": cases, "write": [{"row": row, "text": written(row)} for row in WRITE]}
path = pathlib.Path(__file__).parent / "csv" / "csv.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(out, indent=1) + "\n")
