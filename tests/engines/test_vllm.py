import sys
from pathlib import Path

import pytest

from labkit import LabkitError, catalog
from labkit.engines import vllm
from labkit.engines.recipe import Recipe, recipe_for_variant

GUIDE_FORMAT = ["--tokenizer-mode", "mistral", "--config-format", "mistral", "--load-format", "mistral"]
GUIDE_TOOLS = [
    "--tool-call-parser",
    "mistral",
    "--enable-auto-tool-choice",
    "--max-model-len",
    "32768",
]
IMAGES = ["--limit-mm-per-prompt", '{"image": 10}']
HEAD = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
WHERE = ["--model", "/m", "--served-model-name", "m", "--host", "127.0.0.1", "--port", "8000"]


@pytest.mark.parametrize(
    ("recipe", "flags"),
    [
        (Recipe("/m", "m", "cpu"), [*GUIDE_FORMAT, *GUIDE_TOOLS, *IMAGES, "--enforce-eager"]),
        (
            Recipe("/m", "m", "cuda"),
            [*GUIDE_FORMAT, *GUIDE_TOOLS, *IMAGES, "--gpu-memory-utilization", "0.90"],
        ),
        (Recipe("/m", "m", "cpu", "hf"), [*GUIDE_TOOLS, *IMAGES, "--enforce-eager"]),
        (
            Recipe("/m", "m", "cpu", "hf", extra_flags=("--seed", "1")),
            [*GUIDE_TOOLS, *IMAGES, "--enforce-eager", "--seed", "1"],
        ),
        (
            Recipe("/m", "m", "cuda", "hf", vision=False, cards=4, gpu_memory_utilization=0.95),
            [
                *GUIDE_TOOLS,
                "--language-model-only",
                "--tensor-parallel-size",
                "4",
                "--gpu-memory-utilization",
                "0.95",
            ],
        ),
    ],
)
def test_the_command_of_a_recipe(recipe: Recipe, flags: list[str]) -> None:
    assert list(vllm.command(recipe, 8000).argv) == [*HEAD, *WHERE, *flags]


def test_nothing_phones_home_and_the_cache_stays_small() -> None:
    env = dict(vllm.command(Recipe("/m", "m", "cpu", offline=True), 8000).env)
    assert env == {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    assert "HF_HUB_OFFLINE" not in dict(vllm.command(Recipe("org/m", "m", "cuda"), 8000).env)


def test_the_key_is_in_the_environment_and_not_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    composed = vllm.command(Recipe("/m", "m", "cpu"), 8000)
    env = vllm.environment(composed, "sesame")
    assert env["VLLM_API_KEY"] == "sesame" and "sesame" not in str(composed)
    assert env["PYTHONPATH"].endswith("engines/site:/mine")


HUB = "mistralai/Mistral-Small-3.1-24B-Instruct-2503"
W4A16 = "RedHatAI/Mistral-Small-3.1-24B-Instruct-2503-quantized.w4a16"


@pytest.mark.parametrize(
    ("recipe", "argv"),
    [
        (
            recipe_for_variant("W4A16", memory_gib=23.64),
            [W4A16, *GUIDE_TOOLS, *IMAGES, "--gpu-memory-utilization", "0.95"],
        ),
        (
            recipe_for_variant("FP8", memory_gib=44.4),
            [
                HUB,
                *GUIDE_FORMAT,
                *GUIDE_TOOLS,
                *IMAGES,
                "--gpu-memory-utilization",
                "0.90",
                "--quantization",
                "fp8",
            ],
        ),
        (
            recipe_for_variant("BF16", vision=False, extra_flags=("--seed", "1")),
            [
                HUB,
                *GUIDE_FORMAT,
                *GUIDE_TOOLS,
                "--language-model-only",
                "--gpu-memory-utilization",
                "0.90",
                "--seed",
                "1",
            ],
        ),
    ],
    ids=["W4A16", "FP8", "BF16"],
)
def test_the_command_of_a_variant(recipe: Recipe, argv: list[str]) -> None:
    assert list(vllm.serve(recipe).argv) == ["vllm", "serve", *argv]
    assert vllm.command(recipe, 8000).argv[7:] == ("--host", "127.0.0.1", "--port", "8000", *argv[1:])


def test_the_flags_are_those_that_the_plan_names() -> None:
    """The planner shows the catalog's flags; what is started must be the same."""
    engine = catalog.engines()["vllm"]
    for memory in (23.64, 79.18):
        line = " ".join(vllm.flags(recipe_for_variant("BF16", cards=2, vision=False, memory_gib=memory)))
        for named in (engine.share_of(memory).flags, engine.flags_for_cards, engine.flags_text_only):
            assert named and named.format(count=2) in line


def test_a_host_of_your_own_and_a_name_of_its_own() -> None:
    argv = vllm.command(Recipe("/m", "m", "cuda"), 8000, host="0.0.0.0").argv
    assert argv[argv.index("--host") + 1] == "0.0.0.0"
    assert vllm.serve(Recipe("/m", "m", "cuda")).argv[:5] == (
        "vllm",
        "serve",
        "/m",
        "--served-model-name",
        "m",
    )


@pytest.mark.parametrize(
    ("cards", "cores", "binding"),
    [(2, (), "0|1"), (2, (0, 1, 2, 3), "0,1|2,3"), (2, (1, 3, 5), "1|3"), (4, (0, 1, 2, 3), "0|1|2|3")],
)
def test_a_rehearsal_on_a_cpu_deals_the_cores_out(cards: int, cores: tuple[int, ...], binding: str) -> None:
    composed = vllm.command(Recipe("/m", "m", "cpu", cards=cards, cores=cores), 8000)
    assert dict(composed.env)["VLLM_CPU_OMP_THREADS_BIND"] == binding
    alone = vllm.command(Recipe("/m", "m", "cpu"), 8000)
    assert "VLLM_CPU_OMP_THREADS_BIND" not in dict(alone.env)


@pytest.mark.parametrize("recipe", [Recipe("/m", "m", offline=True), Recipe("org/m", "m", "cpu")])
def test_docker_is_for_the_hub_and_gpus(recipe: Recipe) -> None:
    with pytest.raises(LabkitError, match=r"Start it with labkit\.start"):
        vllm.docker(recipe)


def test_docker_takes_another_port_and_the_usual_cache() -> None:
    argv = vllm.docker(Recipe("org/m", "m"), port=8010).argv
    assert "127.0.0.1:8010:8000" in argv
    assert f"{Path.home()}/.cache/huggingface:/root/.cache/huggingface" in argv


LOG = """\
(APIServer pid=7) INFO 11-24 03:25:21 [api_utils.py:286] non-default args: {'port': 8123}
(EngineCore pid=8) INFO 11-24 03:25:41 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: x
(Worker pid=9) INFO 11-24 03:25:52 [cpu_model_runner.py:68] Starting to load model /m...
Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00, 11.63it/s]
(Worker pid=9) INFO 11-24 03:25:53 [default_loader.py:501] Loading weights took 0.09 seconds
(EngineCore pid=8) INFO 11-24 03:25:54 [kv_cache_utils.py:2327] CPU KV cache size: 262,144 tokens
(EngineCore pid=8) INFO 11-24 03:25:57 [core.py:402] init engine (profile, create kv cache) took 2.87 s
(APIServer pid=7) INFO 11-24 03:26:01 [entry.py:140] Starting vLLM server on http://127.0.0.1:8123
INFO:     Application startup complete.
"""


def test_the_log_says_how_far_the_server_is() -> None:
    lines = LOG.splitlines(keepends=True)
    said = [vllm.stage("".join(lines[:count])) for count in range(len(lines) + 1)]
    assert said == [
        "starting Python and vLLM",
        "reading the flags",
        "starting the engine",
        "loading the weights",
        "loading the weights",
        "making room for the conversation (the KV cache)",
        "warming up",
        "engine ready, starting the web server",
        "opening the door",
        "asking for a first word",
    ]
    assert vllm.listens(LOG) and not vllm.listens("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("", ""),
        (
            "api_server.py: error: unrecognized arguments: --x\n",
            "api_server.py: error: unrecognized arguments: --x",
        ),
        (
            "(EngineCore pid=1) ERROR 11-24 03:25:32 [core.py:1] Traceback (most recent call last):\n"
            '(EngineCore pid=1) ERROR 11-24 03:25:32 [core.py:1]   File "x", line 1\n'
            "(EngineCore pid=1) ERROR 11-24 03:25:32 [core.py:1] ValueError: No available memory.\n"
            "(APIServer pid=2) Traceback (most recent call last):\n"
            "(APIServer pid=2) RuntimeError: Engine core initialization failed. See root cause above.\n",
            "ValueError: No available memory.",
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
            "  Value error, max_model_len (9) is too small. [type=value_error, input_value=x]\n"
            "    For further information visit https://errors.pydantic.dev\n",
            "max_model_len (9) is too small.",
        ),
        ("OSError: [Errno 98] Address already in use\n", "OSError: [Errno 98] Address already in use"),
    ],
)
def test_the_last_words_of_a_dead_server(log: str, why: str) -> None:
    assert vllm.last_words(log) == why
