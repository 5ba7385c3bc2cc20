#!/usr/bin/env python3
"""Writes tests/golden/text_folders/: encoder folders whose tokenizer cdul does not read, as transformers.js has SigLIP and
SigLIP 2, and the class vectors that transformers gives for their models.

    siglip/    Unigram, of class SiglipTokenizer; the reference reads spiece.model, which only sentencepiece can
    siglip2/   BPE with byte fallback, of class GemmaTokenizer in a folder of model_type siglip, as the checkpoints of fixed
               size have it; the reference is Siglip2Tokenizer, which knows that texts were lower case
    */expected.safetensors   text [6, 16]: unit vectors of PROMPTS by SiglipModel.get_text_features

Weights are random, towers one layer deep, 16 wide. Run with the Python of scripts/setup.sh export.
"""
import io
import json
import pathlib
import shutil
import warnings

import sentencepiece
import torch
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import SiglipConfig, SiglipModel, Siglip2Tokenizer, SiglipTokenizer

OUT = pathlib.Path(__file__).resolve().parent / "text_folders"
CONTEXT, WIDTH, SIDE = 64, 16, 16
PROMPTS = ["a photo of a Cat", "a photo of a dining  table!", "a photo of a café", "A bus_stop by night (dark).", "CAFÉ",
           " ".join(["horse"] * 90)]  # the last is cut
CORPUS = ["a photo of a cat", "a dining table by the window", "café horse bus stop by night", "the quick brown fox jumps"] * 5
PUNCTUATION = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def unigram(folder):
    """spiece.model, and tokenizer.json with the same pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity")
    (folder / "spiece.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    scores = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Lowercase(), normalizers.Replace(Regex(PUNCTUATION), ""), normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken("</s>", lstrip=True, rstrip=True), AddedToken("<unk>", lstrip=True, rstrip=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "model_input_names": ["input_ids"],
        "model_max_length": CONTEXT, "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"})
    return pieces.get_piece_size(), lambda: SiglipTokenizer.from_pretrained(str(folder))


def gemma(folder):
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=300, special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)], show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "GemmaTokenizer", "model_input_names": ["input_ids"], "padding_side": "right",
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
        "unk_token": "<unk>"})
    return tokenizer.get_vocab_size(), lambda: Siglip2Tokenizer.from_pretrained(str(folder))


def model_of(size):
    shared = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**shared, "vocab_size": size, "max_position_embeddings": CONTEXT, "projection_size": WIDTH},
        vision_config={**shared, "image_size": SIDE, "patch_size": 8})
    model = SiglipModel._from_config(config, attn_implementation="eager").eval()
    for name, tensor in model.named_parameters():  # a fresh model's texts look alike: make what attention adds large
        if "embedding" in name:
            tensor.normal_(0, 0.3 if "position" in name else 1)
        elif tensor.ndim > 1:
            tensor.normal_(0, (8 if "v_proj" in name else 1) * tensor[0].numel() ** -0.5)
    return model


class Outputs(torch.nn.Module):
    """A tower with the outputs and their order that transformers.js has."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, x):
        out = self.tower(x)
        return out.last_hidden_state, out.pooler_output


def export(tower, example, path, name, free):
    """`free`: dimensions of the input besides the batch."""
    outputs = ["last_hidden_state", "pooler_output"]
    axes = {name: {0: "batch_size", **free}, **{output: {0: "batch_size"} for output in outputs}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Outputs(tower), (example,), str(path), opset_version=17, dynamo=False, input_names=[name],
                          output_names=outputs, dynamic_axes=axes)


def make(name, make_tokenizer):
    folder = OUT / name
    (folder / "onnx").mkdir(parents=True)
    size, reference = make_tokenizer(folder)
    model = model_of(size)
    # as published: what is the default is not there
    write_json(folder / "config.json", {"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"},
                                        "vision_config": {"model_type": "siglip_vision_model", "image_size": SIDE}})
    write_json(folder / "preprocessor_config.json", {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": SIDE, "width": SIDE}})
    export(model.vision_model, torch.zeros(2, 3, SIDE, SIDE), folder / "onnx/vision_model.onnx", "pixel_values", {})
    export(model.text_model, torch.ones(2, CONTEXT, dtype=torch.long), folder / "onnx/text_model.onnx", "input_ids",
           {1: "sequence_length"})
    given = reference()(PROMPTS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
    rows = model.get_text_features(input_ids=given["input_ids"]).pooler_output
    rows = rows / rows.norm(dim=-1, keepdim=True)
    assert torch.pdist(rows).min() > 0.02, torch.pdist(rows)
    save_file({"text": rows.numpy()}, folder / "expected.safetensors")


def main():
    torch.manual_seed(5)
    torch.set_grad_enabled(False)
    shutil.rmtree(OUT, ignore_errors=True)
    make("siglip", unigram)
    make("siglip2", gemma)


main()
