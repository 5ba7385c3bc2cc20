"""A model of open_clip with weights of chance, as its library saves one: make_model.py ARCHITECTURE SIZE FOLDER"""
import json
import sys
from pathlib import Path

import open_clip
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "e2e"))
from export_models import settle, stir  # noqa: E402

architecture, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
config = open_clip.get_model_config(architecture)
config["vision_cfg"]["image_size"] = size
config["text_cfg"].update(layers=1, width=128, heads=2)  # no row runs it
folder.mkdir(parents=True)
(folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {"size": size}}))
torch.manual_seed(3)
torch.set_grad_enabled(False)
model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
stir(model)
settle(model.visual, size)
torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
