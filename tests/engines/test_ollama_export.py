"""The twin as a folder for `ollama create`: what is in it, and that it says the same as the twin itself."""

from __future__ import annotations

import errno
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from PIL import Image

from labkit.engines import cuda_leftovers
from labkit.engines.ollama_engine.export import export
from labkit.engines.ollama_engine.template import for_ollama
from labkit.errors import LabkitError
from labkit.images import data_url
from pocket import formats
from pocket.formats import DamagedWeights, prepare

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city, größer als nötig",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ARGUMENTS = '{"city": "Köln", "days": 2}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("export") / "for ollama")


@pytest.fixture(scope="module")
def official() -> MistralTokenizer:
    return MistralTokenizer.from_file(str(prepare() / "tekken.json"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    cuda_leftovers.install()
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_what_ollama_looks_for(folder: Path) -> None:
    config = read(folder / "config.json")
    assert config["architectures"] == ["Mistral3ForConditionalGeneration"]
    assert config["text_config"]["rope_parameters"]["rope_type"] == "linear"  # "default" aborts at load
    assert config["vision_config"]["num_hidden_layers"] >= 3
    settings = read(folder / "tokenizer_config.json")
    assert "tools" in settings["chat_template"] and settings["bos_token"] == "<s>"
    names = {path.name for path in folder.iterdir()}
    assert {"tokenizer.json", "Modelfile", "generation_config.json"} <= names
    assert not any("tekken" in name or "consolidated" in name for name in names)
    shards = set(read(folder / "model.safetensors.index.json")["weight_map"].values())
    assert shards and shards <= names
    modelfile = (folder / "Modelfile").read_text().splitlines()
    assert "FROM ." in modelfile and "PARAMETER temperature 0.15" in modelfile
    assert folder.stat().st_mode & 0o777 == 0o755  # an Ollama that runs as another user can read it


def strings() -> list[str]:
    rng = random.Random(1)
    noise = [rng.randbytes(rng.randint(1, 60)).decode("utf-8", "replace") for _ in range(40)]
    latin = [rng.randbytes(rng.randint(1, 60)).decode("latin-1") for _ in range(40)]
    code = [Path(formats.__file__).read_text("utf-8"), Path(prepare() / "config.json").read_text("utf-8")]
    return [
        *("", " ", "\n\n \t x", "Hello world", "  two  spaces ", "1234567890 3.14 2024-11-02", "don't WON'T"),
        *(
            "Größere Straßenbahnübergänge, schön!",
            "日本語 và tiếng Việt",
            "👩‍🚀🇩🇪 🙂🙂",
            "e\u0301 \uff21 \ufb01 \u200b",
        ),
        *code,
        *noise,
        *latin,
    ]


@pytest.mark.parametrize("number", range(len(strings())))
def test_the_same_tokens_for_text(number: int, tokenizer: Any, official: MistralTokenizer) -> None:
    said = strings()[number]
    tekken = official.instruct_tokenizer.tokenizer
    tokens = tekken.encode(said, bos=False, eos=False)
    assert tokenizer.encode(said, add_special_tokens=False) == tokens
    assert tokenizer.decode(tokens) == said


def test_the_same_control_tokens(tokenizer: Any, official: MistralTokenizer) -> None:
    tekken = official.instruct_tokenizer.tokenizer
    names = [tekken.id_to_piece(each) for each in range(tekken.num_special_tokens)]
    assert len(names) == 1000 and "[AVAILABLE_TOOLS]" in names
    assert tokenizer.convert_tokens_to_ids(names) == list(range(1000))
    assert len(tokenizer) == tekken.n_words
    # Where they part: a control word in a text is text to tekken, and a control token here, in Ollama too.
    assert tokenizer.encode("[INST]", add_special_tokens=False) == [names.index("[INST]")]
    assert len(tekken.encode("[INST]", bos=False, eos=False)) > 1


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def calls(*ids: str) -> dict[str, Any]:
    made = [
        {"id": each, "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
        for each in ids
    ]
    return {"role": "assistant", "content": "", "tool_calls": made}


def result(call: str, words: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "name": "weather", "content": words}


PICTURE = {"type": "image_url", "image_url": {"url": data_url(Image.new("RGB", (60, 40), "red"))}}
SYSTEM = {"role": "system", "content": "Du bist ein Übersetzer. 🙂"}
TALK = [user("Hi {there}"), {"role": "assistant", "content": "Hallo!"}, user("Und jetzt?")]
CALLED = [user("How warm is it?"), calls("abcdefgh1", "abcdefgh2")]
ANSWERED = [*CALLED, result("abcdefgh1", '{"celsius": 3}'), result("abcdefgh2", "kälter")]
CONVERSATIONS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "user": ([user("Hi")], []),
    "system": ([SYSTEM, user("Hi")], []),
    "turns": ([SYSTEM, *TALK], []),
    "image": ([{"role": "user", "content": [PICTURE, {"type": "text", "text": "What is it?"}]}], []),
    "image last": ([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}], []),
    "tools": ([SYSTEM, *TALK], [TOOL, TOOL]),
    "results": (ANSWERED, [TOOL]),
    "after results": ([*ANSWERED, {"role": "assistant", "content": "3 degrees."}, user("Thanks")], [TOOL]),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_same_tokens_for_a_conversation(name: str, tokenizer: Any, official: MistralTokenizer) -> None:
    messages, tools = CONVERSATIONS[name]
    request = ChatCompletionRequest.from_openai(messages=messages, tools=tools or None)
    wanted = official.encode_chat_completion(request).tokens
    picture, row, end = tokenizer.convert_tokens_to_ids(["[IMG]", "[IMG_BREAK]", "[IMG_END]"])
    short: list[int] = []  # the template writes one [IMG]; whoever reads the picture makes its rows from it
    for token in wanted:
        if (token == picture and short[-1:] == [picture]) or token in (row, end):
            continue
        short.append(token)
    assert tokenizer.apply_chat_template(messages, tools=tools or None)["input_ids"] == short


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    """As Ollama sends it on: its Python client knows neither id."""
    found = {key: value for key, value in message.items() if key != "tool_call_id"}
    if "tool_calls" in found:
        found["tool_calls"] = [call | {"id": ""} for call in found["tool_calls"]]
    return found


IDS = [f"{number:09d}" for number in range(1, 12)]
NUMBERED = [user("How warm is it?"), calls(*IDS), *(result(each, each.lstrip("0")) for each in IDS)]


def test_ids_are_made_up_where_there_are_none(tokenizer: Any) -> None:
    wanted = tokenizer.apply_chat_template(NUMBERED, tokenize=False)
    assert '"id": "000000011"}]' in wanted and "[TOOL_RESULTS]000000011[TOOL_CONTENT]11" in wanted
    bare = [without_ids(message) for message in NUMBERED]
    assert tokenizer.apply_chat_template(bare, tokenize=False) == wanted


def test_a_call_without_a_result_shows_no_id(tokenizer: Any) -> None:
    """llama.cpp learns the form of a call from the template; the model writes none."""
    last = tokenizer.apply_chat_template(CALLED, tokenize=False)
    assert last.count('"name": "weather"') == 2 and '"id"' not in last
    json.loads(last.split("[TOOL_CALLS]")[1].removesuffix("</s>"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("What?<__ollama_media_0f__>", "<__ollama_media_0f__>What?"),
        ("<__media__>What?", "<__media__>What?"),
        ("a<__media__>b", "a<__media__>b"),  # mistral-common moves a picture only where it stands last
        ("a<__media__><__media__>", "a<__media__><__media__>"),
        ("def <__x__>", "def <__x__>"),
    ],
)
def test_a_picture_behind_its_question_goes_in_front(tokenizer: Any, said: str, shown: str) -> None:
    """llama.cpp hands the template a text with a marker for the picture."""
    assert tokenizer.apply_chat_template([user(said)], tokenize=False) == f"<s>[INST]{shown}[/INST]"


def test_another_template_is_not_mended_by_half() -> None:
    with pytest.raises(ValueError, match="chat template has changed"):
        for_ollama("{{ messages }}")


def test_transformers_loads_it_and_says_the_same(folder: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForImageTextToText

    tokens = tokenizer.apply_chat_template([user("What is 3 + 4?")], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        ours, theirs = (
            AutoModelForImageTextToText.from_pretrained(each, dtype=torch.float32)(input_ids=tokens).logits
            for each in (folder, prepare())
        )
    assert torch.equal(ours, theirs)


def test_what_is_there_is_left_alone_and_what_is_old_is_replaced(folder: Path) -> None:
    before = (folder / "tokenizer.json").stat().st_mtime_ns
    assert export(folder) == folder and (folder / "tokenizer.json").stat().st_mtime_ns == before
    modelfile = folder / "Modelfile"
    now = modelfile.read_text()
    modelfile.write_text(now.replace("made from ", "made from 0"))
    export(folder)
    assert modelfile.read_text() == now and (folder / "tokenizer.json").stat().st_mtime_ns > before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("also", ["Modelfile", "notes.txt"])
def test_a_folder_with_other_things_is_not_touched(folder: Path, tmp_path: Path, also: str) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    if also != "Modelfile":
        (target / "Modelfile").write_text((folder / "Modelfile").read_text().replace("from ", "from 0"))
    (target / also).write_text("FROM mine")
    with pytest.raises(LabkitError, match=r"taken exists and holds something else.* Name a new folder\.$"):
        export(target)
    assert (target / also).read_text() == "FROM mine" and list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LabkitError, match="holds something else"):
        export(tmp_path / "file")
    with pytest.raises(LabkitError, match=r"The folder .*/below cannot be written: File exists\.$"):
        export(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        Exception("No space left on device (os error 28)"),  # as the tokenizers library tells it
    ],
)
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*args: Any) -> None:
        raise error

    monkeypatch.setattr(sys.modules[export.__module__], "_dump", full)
    with pytest.raises(LabkitError, match="disk is full: the folder for Ollama needs more room"):
        export(tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


def test_damaged_weights_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged() -> Path:
        raise DamagedWeights("The pocket twin's file x is damaged.")

    monkeypatch.setattr("pocket.formats.prepare", damaged)
    with pytest.raises(LabkitError, match=r"^The pocket twin's file x is damaged\.$"):
        export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
