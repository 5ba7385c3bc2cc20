#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: small vocabularies in CLIP's layout, over 2,000 texts, and the ids that
transformers' CLIPTokenizer and open_clip's SimpleTokenizer give them.

    plain/    vocab.json, merges.txt                     padding is the end token (OpenAI's checkpoints)
    single/   tokenizer.json, tokenizer_config.json      padding is "!", as in LAION's checkpoints
    texts.json, plain.ids, single.ids                    a text; then uint16: count, ids with start and end
    open_clip/plain.ids, open_clip/clip.ids              the same by open_clip; clip: with CLIP's whole vocabulary
    open_clip/differences.json                           vocabulary -> name of a known difference -> indices of texts

A text on which the two libraries differ without one of the known differences (why_open_clip_differs) is an error.
Needs: transformers, open_clip (scripts/setup.sh export).

    make_tokenizer.py --full WHEEL -o FOLDER

writes CLIP's whole vocabulary, which PyPI's open_clip_torch carries: vocab.json, merges.txt, and transformers' ids for
the same texts. Needs: tokenizers, transformers.
"""
import argparse
import gzip
import json
import pathlib
import random
import shutil
import struct
import tempfile
import unicodedata
import zipfile

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

HERE = pathlib.Path(__file__).resolve().parent / "tokenizer"
CONTEXT = 77

# The sentences say what a picture may show, in the scripts that users write in.
SENTENCES = """
a photo of a cat, a dog and a horse on the grass in front of an old farm house
the black and white drawing of two children who play with a red ball near the river
an aeroplane takes off over the harbour while a sailing boat comes home before the storm
potted plants, a dining table, four chairs and a television in a bright living room
a close-up photo of the bicycle's wheel; it's dirty, isn't it? they're sure we'll clean it
itap of my sister's motorbike: she'd ridden 1,250 km in 3 days, and I've never seen her happier
a jpeg corrupted photo of the hard to see train number 4711 at platform 9 of the central station
bottles of water, wine and beer; cups, forks, knives, spoons and bowls on a plastic tray
sheep and cows, elephants, bears, zebras and giraffes behind the fence of the zoological garden
people walk with umbrellas, handbags and suitcases through the rain to the traffic light
ein Foto von einem Hund, der über die Straße läuft, während die Kinder auf der Wiese spielen
die Äpfel liegen in einer großen Schüssel neben dem Käse, den Würsten und dem Brötchen
une photographie d'un chat noir qui dort près de la fenêtre de l'hôtel, à côté d'un vélo
des élèves mangent une crème brûlée et boivent du thé dans le café du château
una fotografía de un niño pequeño que corre con su perro por la montaña en otoño
¿dónde está el avión? ¡mira, allí, detrás de las nubes, cerca del sol!
uma fotografia de um pássaro azul sobre o telhado da estação de comboios, com o coração na mão
un gatto sulla sedia, una bottiglia sul tavolo e la televisione accesa: è già mezzanotte
en bild av en båt på sjön, en häst på ängen och en sjöman som äter smörgåsar
kuva koirasta, joka juoksee järven rannalla, ja lapsesta, joka syö mansikoita pöydän ääressä
zdjęcie psa, który biegnie przez łąkę, i żółtego roweru obok źródła świeżej wody
fotografie kočky, která leží na židli vedle stolu, a příliš žluťoučký kůň pěl ďábelské ódy
egy fénykép a kutyáról, az őszi erdőről és a gyerekekről, akik görögdinnyét esznek
bir köpeğin fotoğrafı, ağacın altındaki kırmızı bisiklet ve gökyüzündeki uçak
bức ảnh của một con mèo đang ngủ trên ghế, bên cạnh chiếc xe đạp màu đỏ
фотография кошки, которая спит на стуле у окна, и собаки, которая бежит по дороге
на столе стоят бутылка, четыре чашки и тарелка с хлебом; за окном едет поезд
світлина коня на лузі біля річки, їжак під деревом і ґава на даху
φωτογραφία μιας γάτας που κοιμάται στην καρέκλα δίπλα στο παράθυρο της παλιάς οικίας
ένα άλογο τρέχει στο λιβάδι και ο σκύλος κάθεται κάτω από το δέντρο
תמונה של חתול ישן על כיסא ליד החלון וכלב רץ ברחוב
صورة قطة نائمة على الكرسي بجانب النافذة وكلب يركض في الشارع
عکس یک گربه که روی صندلی خوابیده است و دوچرخه‌ای قرمز کنار درخت
एक बिल्ली की तस्वीर जो खिड़की के पास कुर्सी पर सो रही है
একটি বিড়ালের ছবি যা জানালার পাশে চেয়ারে ঘুমাচ্ছে
ஒரு பூனையின் புகைப்படம் ஜன்னல் அருகே நாற்காலியில் தூங்குகிறது
ภาพถ่ายของแมวที่กำลังนอนหลับอยู่บนเก้าอี้ข้างหน้าต่าง
一只猫在窗边的椅子上睡觉的照片，还有一只狗在街上跑
一張貓在椅子上睡覺的照片，旁邊有一輛紅色的自行車
窓のそばの椅子で眠っている猫の写真と、道を走る犬の写真
ネコとイヌがテレビの前のソファで遊んでいるカラー写真です
창가의 의자에서 자고 있는 고양이와 길에서 달리는 강아지의 사진
ფოტოზე კატა სძინავს სკამზე ფანჯარასთან
կատվի լուսանկար աթոռի վրա պատուհանի մոտ
የድመት ፎቶ በመስኮት አጠገብ ባለው ወንበር ላይ
""".strip().split("\n")

EMOJI = ["🐱", "🐶", "🐎", "🚗", "✈️", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️‍🔥", "☕", "🏳️‍🌈", "🧑🏿‍🚀", "1️⃣", "©", "™", "♥", "🫠"]
NUMBERS = ["0", "7", "42", "1,250.75", "3.14159", "2024-02-29", "٣٤٥", "१२३", "Ⅳ", "½", "²", "①", "万", "10²", "0x1F", "1e-5"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", " \t \n ", "\u200b", "\u1680"]
ODD = [
    "", " ", "   ", "\n", "!", "...", "!!!???", "'", "''", "'s", "'S", "it's", "IT'S", "we'LL they'Ve I'M he'D don'T",
    "rock'n'roll", "'s's's", "!!'s", "a'sb", "’s", "d'accord", "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>",
    "a <|endoftext|> b", "x<|startoftext|>y", "<|startoftext|", "..<|StartOfText|>..", "<|EndOfText|><|EndOfText|>!",
    "<|endoftext|><|endoftext|>", "<|endof text|>", "</w>", "a</w>b", "#version: 0.2", "[CLS] [SEP] <unk> <pad>",
    "&amp; &lt;cat&gt; &#39;", "http://example.org/a_b?c=d&e=%20f", "snake_case camelCase kebab-case", "C++ C# .NET",
    "İstanbul Iğdır ıI", "ΑΣ ΟΔΥΣΣΕΥΣ Σ ς", "straße STRASSE ẞ", "ǅ ǆ Ǆ", "Å Å Å", "e\u0301 \u00e9 E\u0301 \u00c9",
    "ﬁ ﬂ ﬀ ﬃ", "Ａｂｃ１２３", "ℌ ℍ ℤ", "a\u0323\u0307 a\u0307\u0323 ạ̇", "\u0344 \u0374 \u212b \u2126", "각 \u1100\u1161\u11a8",
    "\u0958 \u0915\u093c", "\u0301 alone", "a\u200db a\u200cb a\u2060b", "\ufeffbom", "\u202eright\u202c", "naïve café",
    "𝒜𝓑𝔠 𝟙𝟚𝟛", "𐐀𐐨 𐒰𐓘", "ᏣᎳᎩ ꮳꮃꭹ", "ⴀ Ⴀ Ა", "Ⓐⓐ ⅷ Ⅷ", "\x7f\x01\x1f", "\ufffd", "a" * 300, "ab" * 200, "cat " * 100,
    "1234567890" * 12, "!" * 200, "é" * 120, "🐱" * 40, "猫" * 90, "the " * 75 + "end", "the " * 74 + "end", "x y " * 38,
    "a b " * 37 + "c", "supercalifragilisticexpialidocious " * 12, "don't " * 40, "\u00c5ngstr\u00f6m " * 30,
]


def texts():
    rng = random.Random(8)
    result = list(ODD) + SENTENCES + [s.upper() for s in SENTENCES] + [s.title() for s in SENTENCES]
    result += [unicodedata.normalize("NFD", s) for s in SENTENCES]
    words = [w for s in SENTENCES for w in s.split()]
    names = SENTENCES[0].split() + ["aeroplane", "tvmonitor", "dining table", "potted plant", "Hot Dog", "bird's nest"]
    for template in ["a photo of a {}.", "itap of the {}.", "a bad photo of the {}!", "{}", "THE {} IN A VIDEO GAME"]:
        result += [template.format(name) for name in names]
    pieces = words * 3 + EMOJI * 8 + NUMBERS * 8 + [c for c in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"] * 3
    while len(result) < 1900:  # words of any script, emoji, numbers and punctuation, glued or spaced oddly
        parts = []
        for _ in range(rng.randint(1, 9)):
            piece = rng.choice(pieces)
            parts.append(rng.choice([piece, piece, piece.upper(), piece.capitalize()]))
            parts.append(rng.choice(SPACES[:1] * 12 + SPACES + [""] * 3))
        result.append("".join(parts))
    # Any characters that Unicode 14 knows, in short runs with marks between them. Marks that are younger than
    # Unicode 3.2 are left out: the NFC of the tokenizers library has old tables and does not put all of them in order.
    known = [chr(c) for c in range(1, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")]
    known = [c for c in known if unicodedata.combining(c) == unicodedata.ucd_3_2_0.combining(c)]
    marks = [c for c in known if unicodedata.combining(c)]
    while len(result) < 2300:
        parts = [rng.choice(known) if rng.random() < 0.8 else rng.choice(marks) for _ in range(rng.randint(2, 14))]
        result.append("".join(parts))
    return result


def alphabet():
    """The 256 characters that stand for bytes, in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def vocabulary(merges):
    letters = alphabet()
    tokens = letters + [c + "</w>" for c in letters] + [a + b for a, b in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}


def train(size):
    """Merges of byte-level BPE with </w>, learnt from the sentences."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=1, end_of_word_suffix="</w>", show_progress=False,
                                  initial_alphabet=alphabet())
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]


def learnt(size, merges):
    """Training breaks ties in another way each time: what was learnt once is kept, so that a second run changes nothing."""
    return [tuple(m) for m in merges] or train(size)


def write_folder(folder, merges):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "vocab.json", "w", encoding="utf-8") as file:
        json.dump(vocabulary(merges), file, ensure_ascii=False, separators=(",", ":"))
    with open(folder / "merges.txt", "w", encoding="utf-8", newline="\n") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def by_transformers(folder):
    """texts -> rows of ids, with start and end"""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return lambda strings: tokenizer(strings, truncation=True, max_length=CONTEXT)["input_ids"]


def by_open_clip(merges):
    import open_clip

    with tempfile.NamedTemporaryFile() as file:
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
        file.write(gzip.compress("\n".join(lines).encode("utf-8")))
        file.flush()
        tokenizer = open_clip.SimpleTokenizer(bpe_path=file.name, context_length=CONTEXT)

    def rows(strings):
        padded = tokenizer(strings).tolist()
        return [row[:row.index(tokenizer.eot_token_id) + 1] for row in padded]

    return rows


def write_ids(path, rows):
    path.write_bytes(b"".join(struct.pack(f"<{len(row) + 1}H", len(row), *row) for row in rows))


def why_open_clip_differs(text, ids, transformers_rows):
    """The name of the known difference. Two of them are tried: done to the text first, transformers gives open_clip's
    ids."""
    from open_clip.tokenizer import basic_clean

    clean = basic_clean(text)
    for name, changed in [("cleaning", clean), ("final sigma", unicodedata.normalize("NFC", text).lower()),
                          ("cleaning and final sigma", clean.lower())]:
        if transformers_rows([changed])[0] == ids:
            return name
    if "<|startoftext|>" in text.lower() or "<|endoftext|>" in text.lower():
        return "special tokens"
    if "\u0345" in text:  # a mark, but regex matches [\p{L}]+ without regard to case, and its upper case is a letter
        return "iota subscript"
    raise SystemExit(f"open_clip and transformers differ for no known reason: {text!a}")


def write_open_clip(path, strings, merges, transformers_rows):
    """Returns the known differences: name -> indices of texts."""
    rows, differences = by_open_clip(merges)(strings), {}
    for index, (text, ids, others) in enumerate(zip(strings, rows, transformers_rows(strings))):
        if ids != others:
            differences.setdefault(why_open_clip_differs(text, ids, transformers_rows), []).append(index)
    write_ids(path, rows)
    print(f"{path.name}: open_clip differs in", {name: len(indices) for name, indices in differences.items()})
    return differences


def clip_merges(compressed):
    lines = gzip.decompress(compressed).decode("utf-8").split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def write_references_of_open_clip(folder, strings):
    import open_clip

    (folder / "open_clip").mkdir(exist_ok=True)
    plain = [tuple(line.split()) for line in (folder / "plain/merges.txt").read_text("utf-8").splitlines()[1:]]
    whole = clip_merges(pathlib.Path(open_clip.tokenizer.default_bpe()).read_bytes())
    differences = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_folder(pathlib.Path(scratch), whole)
        for name, merges, vocabulary_folder in ("plain", plain, folder / "plain"), ("clip", whole, scratch):
            differences[name] = write_open_clip(folder / f"open_clip/{name}.ids", strings, merges,
                                                by_transformers(vocabulary_folder))
    (folder / "open_clip/differences.json").write_text(json.dumps(differences) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Make the tokenizer's golden values.")
    parser.add_argument("--full", type=pathlib.Path, help="wheel of open_clip_torch, for CLIP's whole vocabulary")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=HERE)
    args = parser.parse_args()
    strings = texts()

    if args.full:
        with zipfile.ZipFile(args.full) as wheel:
            merges = clip_merges(wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz"))
        write_folder(args.output, merges)
        write_ids(args.output / "clip.ids", by_transformers(args.output)(strings))
        return

    known = args.output / "plain/merges.txt"
    merges = known.read_text("utf-8").splitlines()[1:] if known.exists() else []
    write_folder(args.output / "plain", learnt(3500, [m.split(" ") for m in merges]))
    with open(args.output / "texts.json", "w", encoding="utf-8") as file:
        json.dump(strings, file, ensure_ascii=False, separators=(",", ":"))
    write_ids(args.output / "plain.ids", by_transformers(args.output / "plain")(strings))

    single = args.output / "single"
    known = single / "tokenizer.json"
    small = learnt(900, json.loads(known.read_text("utf-8"))["model"]["merges"] if known.exists() else [])
    shutil.rmtree(single, ignore_errors=True)
    write_folder(single, small)
    CLIPTokenizer.from_pretrained(single, pad_token="!").save_pretrained(single)
    (single / "vocab.json").unlink()
    (single / "merges.txt").unlink()
    parsed = json.loads((single / "tokenizer.json").read_text(encoding="utf-8"))
    for token in parsed["added_tokens"]:
        if token["content"] == "<|startoftext|>":
            token["normalized"] = True  # as in OpenAI's published files: found in lower-cased text too
    (single / "tokenizer.json").write_text(json.dumps(parsed, ensure_ascii=False, separators=(",", ":")), "utf-8")
    (single / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "CLIPTokenizer", "pad_token": "!",
         "bos_token": {"__type": "AddedToken", "content": "<|startoftext|>", "lstrip": False, "normalized": True,
                       "rstrip": False, "single_word": False}}) + "\n")
    write_ids(args.output / "single.ids", by_transformers(single)(strings))
    write_references_of_open_clip(args.output, strings)


if __name__ == "__main__":
    main()
