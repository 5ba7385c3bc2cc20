"""Texts to what a tower of transformers takes, padded and cut as each family was trained."""
import sys

from . import ExportError

CHINESE_CLIP_CONTEXT = 52  # what Chinese-CLIP was trained with (arXiv 2211.01335); the config speaks of BERT's 512


def first_line(error):
    return str(error).strip().splitlines()[0]


def lower(text):
    """Character by character, as tokenizers do; str.lower() looks at what stands around a capital sigma."""
    return "".join(character.lower() for character in text)


def tokenizer_of(name, **where):
    """As transformers has it; where a part of that is missing (SigLIP's wants spiece.model and the package
    sentencepiece), what tokenizer.json says by itself."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **where)
    except (ImportError, KeyError, OSError, TypeError, ValueError) as error:
        why = first_line(error).split(". ")[0]
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(name, **where)
    except (ImportError, KeyError, OSError, TypeError, ValueError) as error:
        raise ExportError(f"{name}: its tokenizer cannot be had ({why}); --images-only exports the image tower "
                          "alone") from error
    print(f"warning: {name}: the tokenizer is read from tokenizer.json alone: {why}", file=sys.stderr)
    return tokenizer


class Prompts:
    """texts -> the tokenizer's fields, [B, context] each; Chinese-CLIP's are as long as the longest text."""

    def __init__(self, tokenizer, family, context, padding="max_length"):
        self.tokenizer, self.padding, self.context = tokenizer, padding, context
        if family == "chinese_clip":
            self.padding, self.context = True, min(context, CHINESE_CLIP_CONTEXT)
        # SigLIP and SigLIP 2 were trained on lower case; some of their tokenizers leave that to the caller
        self.lower = family.startswith("siglip") and self.ids(["CAT"]) != self.ids(["cat"])

    def prepare(self, texts):
        return [lower(text) for text in texts] if self.lower else texts

    def ids(self, texts):
        return self.tokenizer(texts, verbose=False)["input_ids"]

    def __call__(self, texts, tensors, fields=None):
        given = self.tokenizer(self.prepare(texts), padding=self.padding, truncation=True, max_length=self.context,
                               return_tensors=tensors)
        return {field: given[field] for field in fields or given}

    def cut(self, texts):
        """How many of the texts do not fit."""
        return sum(len(ids) > self.context for ids in self.ids(self.prepare(texts)))
