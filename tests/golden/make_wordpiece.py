"""Writes tests/golden/tokenizer/bert/ and bert.ids: a small WordPiece vocabulary in BERT's layout, learnt from the
sentences of make_tokenizer.py, and the ids that Hugging Face's tokenizers give to its texts (texts.json).

The tables of the tokenizers library end with Unicode 8: signs and marks that came later are letters to it. The texts
whose ids change if those are set apart or taken out are listed in younger.json. Needs: tokenizers."""

import json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from make_tokenizer import CONTEXT, HERE, SENTENCES, write_ids

# Mongolian punctuation (Unicode 9); vowel signs of Devanagari (11) and Zanabazar Square (10)
YOUNGER_SIGNS = {c: f" {chr(c)} " for c in range(0x11660, 0x1166d)}
YOUNGER_MARKS = {c: "" for c in [0xa8ff, *range(0x11a01, 0x11a0b)]}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train(size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None,
                                                      lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # signs apart, so that not every punctuation mark is unknown
    signs = list("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~°₂")
    trainer = trainers.WordPieceTrainer(vocab_size=size, min_frequency=1, special_tokens=SPECIAL, show_progress=False,
                                        initial_alphabet=signs)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def main():
    path = HERE / "bert/tokenizer.json"
    if not path.exists():  # training breaks ties in another way each time
        path.parent.mkdir(exist_ok=True)
        train(2500).save(str(path), pretty=False)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(CONTEXT)
    strings = json.loads((HERE / "texts.json").read_text("utf-8"))
    rows = [encoding.ids for encoding in tokenizer.encode_batch(strings)]
    known = [text.translate(YOUNGER_SIGNS | YOUNGER_MARKS) for text in strings]
    younger = [i for i, encoding in enumerate(tokenizer.encode_batch(known)) if encoding.ids != rows[i]]
    (HERE / "bert/younger.json").write_text(json.dumps(younger) + "\n")
    write_ids(HERE / "bert.ids", rows)


if __name__ == "__main__":
    main()
