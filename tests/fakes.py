"""Small real stand-ins: a two-layer BertModel built in memory, its tokenizer, records that a model can learn.

Nothing here is a mock: the files are read by the same code as a real base model's, only they are small.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from appliance.base.folder import write_base_json
from appliance.engine import on_torch
from appliance.engine.plan import Plan, write_plan
from appliance.schema import Record

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# The 3,755 Han characters in daily use: level 1 of GB/T 2312-1980, rows 0xB0 to 0xD7.
HAN = "".join(bytes([row, cell]).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
# What each label talks about, in English and Chinese: every word and character is in the tokenizer.
TOPICS = {
    "card": (("card", "pin", "chip", "terminal", "contactless"), ("银行卡", "密码", "芯片", "刷卡")),
    "transfer": (("transfer", "payment", "beneficiary", "abroad", "amount"), ("转账", "汇款", "收款人", "金额")),
    "account": (("account", "login", "address", "statement", "profile"), ("账户", "登录", "地址", "对账单")),
    "appointment": (("doctor", "appointment", "nurse", "ward", "referral"), ("医生", "预约", "护士", "病房")),
    "medicine": (("tablet", "dose", "pharmacy", "prescription", "allergy"), ("药片", "剂量", "药房", "处方")),
}
# A few texts of such words, in both languages.
TEXTS = [
    "my card does not work , what about the pin ?",
    "please check the transfer and the amount today",
    "我的银行卡有问题，密码怎么办？",
    "请今天检查医生和预约",
    "since monday the login is wrong , also address",
]
_FRAMES = (
    (
        "my {} does not work , what about the {} ?",
        "please check the {} and the {} today",
        "since monday the {} is wrong , also {}",
    ),
    ("我的{}有问题，{}怎么办？", "请今天检查{}和{}", "从星期一起{}就不对，还有{}"),
)


def tiny_base(folder: Path, languages: Sequence[str] = ("en", "zh"), name: str = "tiny") -> Path:
    """Write a base-model folder: BertModel of 2 layers, hidden 32, 2 heads, random weights from a fixed seed. Returns `folder`."""
    on_torch.import_torch()
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig

    folder.mkdir(parents=True, exist_ok=True)
    size = tiny_tokenizer(folder / "tokenizer.json")
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        pad_token_id=0,
        initializer_range=0.05,
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict(), sort_keys=True), "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = on_torch.encoder_of(folder)
    save_file(encoder.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    parameters = sum(value.numel() for value in encoder.parameters())
    write_base_json(
        folder,
        {
            "name": name,
            "kind": "encoder",
            "prefix": "",
            "licence": "Apache-2.0",
            "languages": list(languages),
            "parameters": parameters,
            "source": "tests/fakes.py",
        },
    )
    return folder


def tiny_model(folder: Path, labels: Sequence[str] = ("card", "transfer", "account"), seed: int = 0) -> Path:
    """Write a torch model folder: `tiny_base` with a random head. Its answers mean nothing, but they are real answers. Returns `folder`."""
    tiny_base(folder)
    (folder / "base.json").unlink()
    import torch
    from safetensors.torch import save_file

    encoder = on_torch.encoder_of(folder)
    network = on_torch.network(encoder, len(labels))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for value in network.parameters():
            torch.nn.init.normal_(value, std=0.2)
    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    write_plan(folder, Plan("torch", "classify", tuple(labels), 128, "", "tiny", ("en", "zh")))
    return folder


def tiny_tokenizer(path: Path) -> int:
    """Write a WordPiece tokenizer of single characters (ASCII, common Han and their punctuation) and the words of `TOPICS`; returns its size."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ascii_characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = sorted({word for english, _chinese in TOPICS.values() for word in english})
    pieces = [
        *SPECIAL,
        *ascii_characters,
        *(f"##{character}" for character in ascii_characters),
        *"，。？！；：、（）《》“”",
        *HAN,
        *words,
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(path))
    return len(vocabulary)


def tiny_records(
    n: int,
    labels: Sequence[str] = ("card", "transfer", "account"),
    seed: int = 0,
    languages: Sequence[str] = ("en",),
    splits: Sequence[str | None] = (None,),
) -> list[Record]:
    """Make `n` records whose label can be told from their words. Labels, languages and splits take turns; the same seed gives the same records."""
    source = random.Random(seed)
    records = []
    for number in range(n):
        label = labels[number % len(labels)]
        language = languages[number % len(languages)]
        which = 0 if language == "en" else 1
        first, second = source.sample(TOPICS[label][which], 2)
        text = source.choice(_FRAMES[which]).format(first, second)
        split = splits[number // len(labels) % len(splits)]
        records.append(
            Record(id=f"{source.getrandbits(128):032x}", text=text, label=label, split=split, language=language)
        )
    return records
