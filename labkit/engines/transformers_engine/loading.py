"""Loading: from a variant's name to a model and its tokenizer in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import catalog
from labkit.diagnosis import with_cure
from labkit.engines import cuda_leftovers
from labkit.engines.twin import pocket
from labkit.errors import LabkitError, disk_full
from labkit.hardware import GIB, machine

if TYPE_CHECKING:
    from labkit.display import Progress

TEXT = {
    "import": "importing PyTorch and Transformers",
    "load": "loading the weights",
    "squeeze": "loading the weights and squeezing them to 4 bits",
    "quantization": "There is no quantization {name!r} in this engine: take 'nf4' or leave it out.",
    "package": "This needs the package {name}, which is not installed here. Install it with: ./setup.sh",
    "folder": "There is no folder {path}. Give a folder with weights, a Hugging Face name, or 'pocket'.",
    "no_gpu": "{name} needs an NVIDIA GPU with {need:.1f} GiB free for its weights, and none was found. "
    "labkit.start('pocket', engine='transformers') runs here; labkit.plan() says what fits which card.",
    "room": "{name} needs {need:.1f} GiB for its weights, and {have:.1f} GiB are free on the {where}. Free "
    "some (labkit.machine() says who uses it), or let labkit.plan() say what fits.",
    "memory": "There is not enough memory for {name}: {why}. labkit.plan() says what fits this machine.",
    "spilled": "not all of its layers have room on the GPU",
    "failed": "Transformers cannot load {name}: {why}.",
    "failed_more": "Check the name and the network; a model behind a licence needs `hf auth login` first.",
    "closed": "This model was stopped. Load it again with labkit.start(engine='transformers').",
}
POCKET, POCKET_NAME = "pocket", "mistral-small3.1-pocket"
NF4 = "nf4"
_NF4_OF_BF16 = 0.26
"""Bytes of a weight in NF4 over those in BF16: 4.127 bits of 16 (see the catalog); embeddings left aside."""
_TICK_S = 0.25
_SMALL = 100_000_000
"""Weights of a model that is small: the twin has 24 million, the next above it over a billion."""
_TALKERS = ("huggingface_hub.utils._http", "bitsandbytes.backends.cpu.ops")
"""They warn of each retry, and of a faster kernel that is not needed; the sentences above say what counts."""


@dataclass(frozen=True)
class Wanted:
    """What to load. source: a folder or a Hugging Face name. quantization: "nf4" or None."""

    name: str
    source: str
    quantization: str | None = None
    weights_bytes: float | None = None
    """At least so many; None where nobody knows before loading."""
    needs_gpu: bool = False

    @property
    def quantized(self) -> str:
        return f" ({self.quantization.upper()})" if self.quantization else ""

    def __str__(self) -> str:
        return self.name + self.quantized


@dataclass
class Loaded:
    """A model in memory. `turn` lets one generation run at a time; `closing` ends the running one."""

    wanted: Wanted
    source: str
    """The folder or the Hugging Face name that the weights came from."""
    model: Any
    tokenizer: Any
    note: Callable[[str], None]
    turn: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def weights_bytes(self) -> int:
        return int(self.model.get_memory_footprint())

    @property
    def threads(self) -> int | None:
        """How many threads should compute; None: as many as PyTorch likes. Each small step of a small model
        waits for all threads: on two busy cores the twin made 88 tokens a second with one, 1.3 with two."""
        return 1 if self.model.device.type == "cpu" and self.model.num_parameters() < _SMALL else None

    def close(self) -> None:
        """No more requests; the running one ends at its next token, and the memory goes."""
        self.closing.set()
        with self.turn:
            self.model = self.tokenizer = None

    def opened(self) -> Loaded:
        """Itself. Raises LabkitError after `close`."""
        if self.closing.is_set():
            raise LabkitError(TEXT["closed"])
        return self


def resolve(variant: str, quantization: str | None = None) -> Wanted:
    """What a variant's name means here. Raises LabkitError."""
    if quantization not in (None, NF4):
        raise LabkitError(TEXT["quantization"].format(name=quantization))
    if variant == POCKET:
        return Wanted(POCKET_NAME, POCKET, quantization)
    for model in map(catalog.model, catalog.models()):
        for recipe in model.recipes:
            if (recipe.engine, recipe.variant) == ("transformers", variant):
                squeezed = NF4 if variant == "NF4" else quantization
                size = model.weights("NF4" if squeezed else variant)
                return Wanted(recipe.source, recipe.source, squeezed, size, recipe.device == "cuda")
    folder = Path(variant).expanduser()
    if folder.is_dir():
        size = _bytes_in(folder) * (_NF4_OF_BF16 if quantization else 1)
        return Wanted(folder.resolve().name, str(folder.resolve()), quantization, size)
    if variant.startswith(("/", ".", "~")):
        raise LabkitError(TEXT["folder"].format(path=folder))
    return Wanted(variant, variant, quantization)


def load(wanted: Wanted, show: Progress, note: Callable[[str], None]) -> Loaded:
    """Load it: on the GPUs where there are any, on the CPU elsewhere. Raises LabkitError."""
    for package in ("accelerate", "bitsandbytes") if wanted.quantization else ():
        if find_spec(package) is None:
            raise LabkitError(TEXT["package"].format(name=package))
    show.update(TEXT["import"])
    cuda_leftovers.install()
    try:
        import torch
        import transformers
    except ImportError as error:
        raise LabkitError(TEXT["package"].format(name=error.name)) from None
    _check_room(wanted)
    source = pocket(show) if wanted.source == POCKET else wanted.source
    if Path(source).is_dir():  # what is downloaded shows its bars
        transformers.utils.logging.disable_progress_bar()
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        model, tokenizer = _read_and_show(source, wanted.quantization, show)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LabkitError(TEXT["memory"].format(name=wanted, why=first_line(error))) from None
    except LabkitError:
        raise
    except Exception as error:  # what a damaged or foreign folder raises is anybody's guess
        note(f"{type(error).__name__}: {error}")
        told = disk_full(error, str(wanted))
        if "dispatched on the CPU" in str(error):  # bitsandbytes' way to say that the GPU is full
            told = LabkitError(TEXT["memory"].format(name=wanted, why=TEXT["spilled"]))
        sentence = TEXT["failed"].format(name=wanted, why=first_line(error).rstrip("."))
        raise told or LabkitError(with_cure(sentence, error, TEXT["failed_more"])) from None
    places = {str(place) for place in getattr(model, "hf_device_map", {}).values()}
    if torch.cuda.is_available() and places & {"cpu", "disk"}:
        raise LabkitError(TEXT["memory"].format(name=wanted, why=TEXT["spilled"]))
    note(f"loaded {wanted} from {source}: {model.get_memory_footprint():,} bytes on {model.device}")
    return Loaded(wanted, source, model, tokenizer, note)


def nf4() -> Any:
    """The guide's `load_in_4bit=True`, as it is written today. Imports torch and transformers."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )


def first_line(error: BaseException) -> str:
    """What an error says, shortened to a clause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")


def _read_and_show(source: str, quantization: str | None, show: Progress) -> tuple[Any, Any]:
    """`_read`, with the seconds counted meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_read, source, quantization)
        while not reading.done():
            show.update(TEXT["squeeze" if quantization else "load"])
            wait([reading], timeout=_TICK_S)
        return reading.result()


def _read(source: str, quantization: str | None) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    options: dict[str, Any] = {"dtype": torch.bfloat16}
    if torch.cuda.is_available():
        options["device_map"] = "auto"
    if quantization:
        options["quantization_config"] = nf4()
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForImageTextToText.from_pretrained(source, **options).eval()
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def _check_room(wanted: Wanted) -> None:
    """Before an hour's download, and before the system ends a process that takes too much."""
    import torch

    need = (wanted.weights_bytes or 0) / GIB
    if torch.cuda.is_available():
        cards = range(torch.cuda.device_count())
        have, where = sum(torch.cuda.mem_get_info(card)[0] for card in cards) / GIB, "GPU"
    elif wanted.needs_gpu:
        raise LabkitError(TEXT["no_gpu"].format(name=wanted, need=need))
    else:
        have, where = machine().ram_free_gib, "computer"
    if need > have:
        raise LabkitError(TEXT["room"].format(name=wanted, need=need, have=have, where=where))


def _bytes_in(folder: Path) -> int:
    """Of the weights in Hugging Face's format; the same in Mistral's may lie beside them."""
    files = folder.glob("*.safetensors")
    return sum(path.stat().st_size for path in files if not path.name.startswith("consolidated"))
