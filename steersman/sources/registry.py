"""The published collections that can be read, one entry each: where it is, which of its files, and by what reader."""

from collections.abc import Mapping
from dataclasses import dataclass

from steersman.errors import PluginError
from steersman.sources.helpsteer2 import HELPSTEER2
from steersman.sources.items import Convert
from steersman.sources.readers.daring_anteater import read_daring_anteater
from steersman.sources.readers.helpsteer import read_helpsteer
from steersman.sources.readers.helpsteer2 import read_disagreements, read_examples, read_preferences
from steersman.sources.readers.helpsteer3 import read_helpsteer3
from steersman.sources.readers.hh_rlhf import read_hh_rlhf
from steersman.sources.readers.nectar import read_nectar
from steersman.sources.readers.oasst import read_oasst
from steersman.sources.readers.pandalm import read_pandalm
from steersman.sources.readers.squality import read_squality
from steersman.sources.readers.ultrafeedback import read_ultrafeedback
from steersman.sources.releases import Release


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one shape: `names` are patterns of their paths in a release or folder, without .gz."""

    names: tuple[str, ...]
    convert: Convert


@dataclass(frozen=True, slots=True)
class Source:
    """A published collection: its release, its kinds of file, what it holds, and what a reader of it should know."""

    name: str
    release: Release
    kinds: tuple[Kind, ...]
    role: str
    notes: tuple[str, ...] = ()


_HELPSTEER = Release(
    "nvidia/HelpSteer",
    "3ca5d59c1bc1080af195b4254e7407db60b6f450",
    "CC-BY-4.0",
    {"train.jsonl.gz": None, "validation.jsonl.gz": None},
)
_HELPSTEER3 = Release(
    "nvidia/HelpSteer3",
    "f6d145777bcbde96137596340fab89793acd1031",
    "CC-BY-4.0",
    {
        "preference/train.jsonl.gz": "32b52e1d378f8dab1e4c9ae549da49a5d6fc0875aeafe3f9139e6053beb906bb",
        "preference/validation.jsonl.gz": "cd0d8b6efd7869a44c1b5ff91701232062555829b3c838abfd770d7dab6c7861",
    },
)
_OASST1 = Release(
    "OpenAssistant/oasst1",
    "fdf72ae0827c1cda404aff25b6603abec9e3399b",
    "Apache-2.0",
    {
        "data/train-00000-of-00001-b42a775f407cee45.parquet": (
            "bbfadf5ed1278ba2208c837fdcad865adf65f5df55d80abadab2745db13fcb5e"
        ),
        "data/validation-00000-of-00001-134b8fd0c89408b6.parquet": (
            "24002597bb13a7edd42d92f773762f25e285f72c31a70449393d0ded1dc7b416"
        ),
    },
)
_HH_RLHF = Release(
    "Anthropic/hh-rlhf",
    "09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa",
    "MIT",
    {
        f"{part}/{split}.jsonl.gz": None
        for part in ("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled")
        for split in ("train", "test")
    },
)
_ULTRAFEEDBACK_PARTS = ("evol_instruct", "false_qa", "flan", "sharegpt", "truthful_qa", "ultrachat")
_ULTRAFEEDBACK = Release(
    "openbmb/UltraFeedback",
    "40b436560ca83a8dba36114c22ab3c66e43f6d5e",
    "MIT",
    {f"{part}.jsonl": None for part in _ULTRAFEEDBACK_PARTS},
)
_NECTAR = Release(
    "berkeley-nest/Nectar",
    "3c6b4c47fa1cc38869f9f32dce1699f7abad8b06",
    "Apache-2.0 on condition of not competing with OpenAI",
    {"data/rlaif.parquet": None},
)
_DARING_ANTEATER = Release(
    "nvidia/Daring-Anteater", "ae79f8ac44cf185fbd3250dbe46057a7f7c4ec40", "CC-BY-4.0", {"train.jsonl": None}
)
_PANDALM = Release(
    "WeOpenML/PandaLM",
    "65d7cff541edaa2d1be0f4b206c31fae42bc334b",
    "Apache-2.0",
    {"data/testset-v1.json": None},
    host="github",
)
_SQUALITY = Release(
    "nyu-mll/SQuALITY",
    "8da593b63230a644c39f88d8c25dc1c479b674cb",
    "CC-BY-4.0",
    {"data/human-eval/all-responses.jsonl": None},
    host="github",
)

_RATED = "prompts, responses and ratings"
_COMPARED = "prompts, responses and preferences"

_ALL = (
    Source("helpsteer", _HELPSTEER, (Kind(("train.jsonl", "validation.jsonl"), read_helpsteer),), _RATED),
    Source(
        "helpsteer2",
        HELPSTEER2,
        (
            Kind(("disagreements/*.jsonl", "disagreements.jsonl"), read_disagreements),
            Kind(("preference/*.jsonl", "preference.jsonl"), read_preferences),
            Kind(("train.jsonl", "validation.jsonl"), read_examples),
        ),
        _RATED,
    ),
    Source(
        "helpsteer3",
        _HELPSTEER3,
        (Kind(("preference/*.jsonl",), read_helpsteer3),),
        _COMPARED,
        ("of the three to five preferences of a task only the three that agree most were published",),
    ),
    Source("oasst", _OASST1, (Kind(("data/*.parquet",), read_oasst),), "messages, rankings and labels"),
    Source(
        "hh-rlhf",
        _HH_RLHF,
        (Kind(("harmless-base/*.jsonl", "helpful-*/*.jsonl"), read_hh_rlhf),),
        _COMPARED,
        (
            "the margin of every pair is 1: which response was preferred is known, not by how much",
            "its card says that the data are for training reward models, not for supervised training of an assistant",
        ),
    ),
    Source(
        "ultrafeedback",
        _ULTRAFEEDBACK,
        (Kind(tuple(f"{part}.jsonl" for part in _ULTRAFEEDBACK_PARTS), read_ultrafeedback),),
        "prompts, responses and ratings by GPT-4",
        ("the prompts of truthful_qa.jsonl and false_qa.jsonl are those of the benchmarks TruthfulQA and FalseQA",),
    ),
    Source("nectar", _NECTAR, (Kind(("data/*.parquet",), read_nectar),), "prompts, responses and ranks by GPT-4"),
    Source("daring-anteater", _DARING_ANTEATER, (Kind(("train.jsonl",), read_daring_anteater),), "conversations"),
    Source(
        "pandalm",
        _PANDALM,
        (Kind(("data/testset-v1.json", "testset-v1.json"), read_pandalm),),
        _COMPARED,
        ("a verdict has no strength: -1 and 1 say which response is better, not that it is slightly better",),
    ),
    Source(
        "squality",
        _SQUALITY,
        (Kind(("data/human-eval/all-responses.jsonl", "all-responses.jsonl"), read_squality),),
        "responses and ratings",
        ("scores run from 0 to 100 and are kept so; they are no scores from 0 to 4",),
    ),
)
SOURCES: Mapping[str, Source] = {source.name: source for source in _ALL}


def find_source(name: str) -> Source:
    """Return the source called `name`, or whose repository it is; raises PluginError that lists the known ones."""
    for source in _ALL:
        if name.casefold() in (source.name, source.release.repository.casefold()):
            return source
    raise PluginError(f"no source {name!r}; known are {', '.join(SOURCES)}")
