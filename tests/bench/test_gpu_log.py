"""vLLM's log, read: lines as vLLM 0.24.0 writes them on a GPU (its sources), and 0.32 on a CPU."""

from __future__ import annotations

from bench.gpu import engine_log

GPU = """\
(EngineCore pid=412) INFO 11-25 14:02:10 [gpu_model_runner.py:5255] Model loading took 44.76 GiB memory and 6.120411 seconds
(EngineCore pid=412) INFO 11-25 14:02:11 [gpu_model_runner.py:6271] Encoder cache will be initialized with a budget of 8192 tokens, and profiled with 2 image items of the maximum feature size.
(EngineCore pid=412) INFO 11-25 14:02:40 [gpu_model_runner.py:6588] Estimated CUDA graph memory: 0.54 GiB total
(EngineCore pid=412) DEBUG 11-25 14:02:41 [gpu_worker.py:496] Initial free memory: 78.55 GiB; Requested memory: 0.900000 (util), 71.26 GiB
(EngineCore pid=412) DEBUG 11-25 14:02:41 [gpu_worker.py:502] Free memory after profiling: 31.20 GiB (total), 23.91 GiB (within requested)
(EngineCore pid=412) DEBUG 11-25 14:02:41 [gpu_worker.py:507] Memory profiling takes 29.12 seconds. Total non KV cache memory: 47.03GiB; torch peak memory increase: 1.96GiB; non-torch forward increase memory: 0.31GiB; weights memory: 44.76GiB.
(EngineCore pid=412) INFO 11-25 14:02:41 [gpu_worker.py:508] Available KV cache memory: 23.69 GiB
(EngineCore pid=412) INFO 11-25 14:02:41 [kv_cache_utils.py:2146] GPU KV cache size: 155,216 tokens
(EngineCore pid=412) INFO 11-25 14:02:41 [kv_cache_utils.py:2147] Maximum concurrency for 32,768 tokens per request: 4.74x
(EngineCore pid=412) INFO 11-25 14:02:52 [gpu_model_runner.py:6656] Graph capturing finished in 9 secs, took 0.78 GiB
(EngineCore pid=412) INFO 11-25 14:02:52 [gpu_worker.py:667] CUDA graph pool memory: 0.78 GiB (actual), 0.54 GiB (estimated), difference: 0.24 GiB (30.8%).
(EngineCore pid=412) INFO 11-25 14:02:53 [core.py:337] init engine (profile, create kv cache, warmup model) took 42.31 s (compilation: 18.20 s)
"""  # noqa: E501
REFUSED = """\
WARNING 11-25 21:59:50 [launcher.py:100] this may cause errors like `OSError: [Errno 24] Too many open files`.
(EngineCore pid=88) ERROR 11-25 22:00:01 [core.py:1122] EngineCore failed to start.
(EngineCore pid=88) ERROR 11-25 22:00:01 [core.py:1122] Traceback (most recent call last):
(EngineCore pid=88) ERROR 11-25 22:00:01 [core.py:1122]   File "gpu_worker.py", line 1, in x
(EngineCore pid=88) ERROR 11-25 22:00:01 [core.py:1122] ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.
RuntimeError: Engine core initialization failed. See root cause above.
"""  # noqa: E501


def test_the_memory_split_of_a_gpu() -> None:
    found = engine_log.numbers(GPU)
    assert found == {
        "weights_gib": 44.76,
        "load_s": 6.120411,
        "kv_gib": 23.69,
        "activation_gib": 1.96,
        "non_torch_gib": 0.31,
        "requested_gib": 71.26,
        "free_at_start_gib": 78.55,
        "graphs_estimated_gib": 0.54,
        "graphs_gib": 0.78,
        "graphs_s": 9,
        "engine_s": 42.31,
        "concurrency": 4.74,
        "kv_tokens": 155216,
        "encoder_tokens": 8192,
        "encoder_images": 2,
    }
    parts = ("weights_gib", "activation_gib", "non_torch_gib", "graphs_estimated_gib", "kv_gib")
    assert abs(sum(float(found[key]) for key in parts) - float(found["requested_gib"])) < 0.02


def test_two_workers_say_the_same_twice_and_count_once() -> None:
    twice = GPU + GPU.replace("44.76 GiB memory", "44.80 GiB memory").replace("155,216", "155,200")
    found = engine_log.numbers(twice)
    assert (found["weights_gib"], found["kv_tokens"]) == (44.80, 155_200)


def test_it_has_told_all_once_the_engine_is_up() -> None:
    lines = GPU.splitlines(keepends=True)
    assert engine_log.told(GPU) and not engine_log.told("".join(lines[:-1]))


def test_the_first_error_is_the_reason_and_no_word_of_a_warning() -> None:
    why = engine_log.failure(REFUSED)
    assert why.startswith("ValueError: No available memory for the cache blocks.")
    assert engine_log.failure("nothing of the kind\nKilled") == "Killed"
