from pathlib import Path

import pytest
import yaml

from steersman.errors import ConfigError, DataError
from steersman.store.ledger import CommercialUse, Ledger, judge, judge_licence, read_ledger, shipped_ledger, worst
from steersman.store.lineage import Ancestor


def ancestor(work: str, *, licence: str | None = None, role: str = "prompts", simulated: bool = False) -> Ancestor:
    return Ancestor(work, "data", role, licence, simulated=simulated)


def entry(name: str, *, commercial: CommercialUse = "clear", **more: object) -> dict[str, object]:
    return {"name": name, "licence": "MIT", "commercial": commercial, "reason": f"reason of {name}", **more}


def ledger_of(*entries: dict[str, object]) -> Ledger:
    return Ledger.model_validate({"works": entries})


def written(tmp_path: Path, *entries: dict[str, object]) -> Path:
    path = tmp_path / "ledger.yaml"
    path.write_text(yaml.safe_dump({"works": list(entries)}), encoding="utf-8")
    return path


CHAIN = ledger_of(
    entry("tuned", made_from={"pairs": "preferences"}),
    entry("pairs", made_from={"judge": "ratings"}),
    entry("judge", commercial="forbidden"),
)


def test_a_clear_work_made_from_nothing_is_clear() -> None:
    assert judge([ancestor("a")], ledger=ledger_of(entry("a"))).commercial_use == "clear"


def test_a_permissive_model_with_a_forbidden_judge_two_steps_back_is_forbidden() -> None:
    assert judge([ancestor("tuned")], ledger=CHAIN).commercial_use == "forbidden"


def test_the_reason_names_the_chain_and_what_each_work_gave() -> None:
    reasons = judge([ancestor("tuned")], ledger=CHAIN).reasons
    assert reasons == ("tuned <- pairs (preferences) <- judge (ratings): reason of judge",)


def test_an_ancestor_carries_the_chain_to_what_decided_it() -> None:
    assert judge([ancestor("tuned")], ledger=CHAIN).ancestors[0].via == ("tuned", "pairs", "judge")


def test_every_way_into_a_restricted_work_is_named_once() -> None:
    ledger = ledger_of(
        entry("top", made_from={"left": "l", "right": "r"}),
        entry("left", made_from={"bad": "ratings"}),
        entry("right", made_from={"bad": "answers"}),
        entry("bad", commercial="forbidden"),
    )
    assert judge([ancestor("top")], ledger=ledger).reasons == (
        "top <- left (l) <- bad (ratings): reason of bad",
        "top <- right (r) <- bad (answers): reason of bad",
    )


def test_a_restricted_work_does_not_hide_what_lies_behind_it() -> None:
    ledger = ledger_of(
        entry("top", commercial="unclear", made_from={"bad": "rows"}), entry("bad", commercial="forbidden")
    )
    verdict = judge([ancestor("top")], ledger=ledger)
    assert verdict.commercial_use == "forbidden"
    assert verdict.reasons == ("top <- bad (rows): reason of bad", "top: reason of top")


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        (["clear", "clear"], "clear"),
        (["clear", "unclear"], "unclear"),
        (["unclear", "forbidden", "clear"], "forbidden"),
        ([], "unclear"),
    ],
)
def test_the_worst_verdict_wins(uses: list[CommercialUse], expected: CommercialUse) -> None:
    assert worst(uses) == expected


def test_the_gravest_reason_comes_first_whatever_the_order_of_ancestors() -> None:
    ledger = ledger_of(entry("vague", commercial="unclear"), entry("barred", commercial="forbidden"))
    reasons = judge([ancestor("vague"), ancestor("barred")], ledger=ledger).reasons
    assert reasons == ("barred: reason of barred", "vague: reason of vague")


def test_one_work_in_two_roles_gives_its_reason_once() -> None:
    twice = [ancestor("tuned", role="responses"), ancestor("tuned", role="base model")]
    verdict = judge(twice, ledger=CHAIN)
    assert len(verdict.reasons) == 1
    assert len(verdict.ancestors) == 2


def test_names_match_whatever_their_case() -> None:
    assert judge([ancestor("TUNED")], ledger=CHAIN).commercial_use == "forbidden"


def test_names_never_match_by_likeness() -> None:
    # one letter more: not the known work, so its own MIT licence decides
    assert judge([ancestor("tuned2", licence="MIT")], ledger=CHAIN).commercial_use == "clear"


def test_another_name_of_a_work_is_the_same_work() -> None:
    ledger = ledger_of(entry("family", commercial="unclear", also=["family-8b"]))
    assert judge([ancestor("family-8b")], ledger=ledger).reasons == ("family: reason of family",)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", "clear"),
        ("MIT", "clear"),
        ("Apache-2.0", "clear"),
        ("apache-2.0", "clear"),
        ("BSD-3-Clause", "clear"),
        ("CC-BY-4.0", "clear"),
        ("CC-BY-SA-4.0", "clear"),
        ("ODC-BY", "clear"),
        ("CC-BY-NC-4.0", "forbidden"),
        ("cc-by-nc-sa-4.0", "forbidden"),
        ("cc-by-nc", "forbidden"),
        ("CC BY-NC 4.0", "forbidden"),
        ("cc_by_nc_4.0", "forbidden"),
        ("PolyForm-Noncommercial-1.0.0", "forbidden"),
        ("fair-noncommercial-research-license", "forbidden"),
        ("Creative Commons Attribution Non-Commercial", "forbidden"),
        ("OpenAI terms of use", "forbidden"),
        ("Apache 2.0", "clear"),
        ("CC-BY-NCX", "unclear"),
        ("CC-BY-ND-4.0", "unclear"),
        ("other", "unclear"),
        ("", "unclear"),
        (None, "unclear"),
    ],
)
def test_an_unknown_work_is_judged_by_its_stated_licence(licence: str | None, expected: CommercialUse) -> None:
    assert judge([ancestor("somebody/unheard-of", licence=licence)]).commercial_use == expected


def test_share_alike_is_clear_with_its_condition_named() -> None:
    assert "must carry the same licence" in judge_licence("CC-BY-SA-4.0")[1]


def test_an_unknown_work_is_noted_even_where_its_licence_is_clear() -> None:
    reasons = judge([ancestor("mine", licence="MIT")], ledger=ledger_of()).reasons
    assert reasons[-1] == "note: mine is not in the ledger; what it was made from is not known here"


def test_a_stricter_licence_in_the_lineage_overrules_a_generous_ledger() -> None:
    assert judge([ancestor("a", licence="CC-BY-NC-4.0")], ledger=ledger_of(entry("a"))).commercial_use == "forbidden"


def test_terms_that_forbid_a_known_work_forbid_an_unknown_one_under_them() -> None:
    ledger = ledger_of({**entry("judge", commercial="forbidden"), "licence": "Terms of the judge"})
    verdict = judge([ancestor("its-answers", licence="terms of the judge")], ledger=ledger)
    assert verdict.commercial_use == "forbidden"
    assert verdict.reasons[0] == "its-answers: under the same terms as judge: reason of judge"


def test_a_permissive_licence_stays_clear_though_a_forbidden_work_carries_it() -> None:
    ledger = ledger_of(entry("judge", commercial="forbidden"))
    assert judge([ancestor("mine", licence="MIT")], ledger=ledger).commercial_use == "clear"


def test_a_generous_licence_in_the_lineage_does_not_overrule_the_ledger() -> None:
    ledger = ledger_of(entry("a", commercial="unclear"))
    assert judge([ancestor("a", licence="MIT")], ledger=ledger).commercial_use == "unclear"


def test_nothing_recorded_is_unclear() -> None:
    verdict = judge([])
    assert verdict.commercial_use == "unclear"
    assert verdict.reasons == ("no ancestor is recorded, so nothing is known about its licences",)


def test_simulated_ratings_are_named_and_leave_the_verdict_alone() -> None:
    verdict = judge([ancestor("crowd", role="ratings", simulated=True)], ledger=ledger_of(entry("crowd")))
    assert verdict.commercial_use == "clear"
    assert verdict.simulated
    assert "ratings were simulated: crowd" in verdict.reasons


def test_a_note_is_shown_and_leaves_the_verdict_alone() -> None:
    verdict = judge([ancestor("a")], ledger=ledger_of(entry("a", note="mind the gap")))
    assert verdict.commercial_use == "clear"
    assert "note: a: mind the gap" in verdict.reasons


def test_an_unknown_ancestor_in_the_ledger_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a", made_from={"nowhere": "rows"}))
    with pytest.raises(ConfigError, match=r"'a' is made from \['nowhere'\]"):
        read_ledger(path)


def test_a_circle_in_the_ledger_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a", made_from={"b": "rows"}), entry("b", made_from={"a": "rows"}))
    with pytest.raises(ConfigError, match="circle"):
        read_ledger(path)


def test_two_entries_that_differ_only_in_case_are_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, entry("Same"), entry("other", also=["same"]))
    with pytest.raises(ConfigError, match="'same' stands in the ledger twice"):
        read_ledger(path)


def test_an_unknown_key_in_the_ledger_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a", license="MIT"))
    with pytest.raises(ConfigError, match="unknown key"):
        read_ledger(path)


def test_an_unknown_verdict_in_the_ledger_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, {**entry("a"), "commercial": "maybe"})
    with pytest.raises(ConfigError, match="commercial"):
        read_ledger(path)


def test_a_missing_ledger_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such ledger"):
        read_ledger(tmp_path / "none.yaml")


def test_every_foreign_work_of_the_shipped_ledger_cites_a_public_page() -> None:
    foreign = [work for work in shipped_ledger().works if "/" in work.name]
    assert [work.name for work in foreign if not (work.url or "").startswith("https://")] == []


def test_what_the_demo_makes_is_forbidden_because_of_ultrafeedback() -> None:
    verdict = judge(
        [
            ancestor("steersman-starter-prompts", licence="CC0-1.0"),
            ancestor("HuggingFaceTB/SmolLM2-135M-Instruct", licence="Apache-2.0", role="responses"),
            ancestor("steersman-simulated-crowd", role="ratings", simulated=True),
        ]
    )
    assert verdict.commercial_use == "forbidden"
    assert "openbmb/UltraFeedback (all rows) <- openai/gpt-4 (every rating and critique)" in verdict.reasons[0]
    assert [each.commercial for each in verdict.ancestors] == ["clear", "forbidden", "clear"]


def test_human_labels_and_random_weights_are_clear() -> None:
    both = [ancestor("nvidia/HelpSteer2", licence="CC-BY-4.0"), ancestor("tiny-random", role="base model")]
    assert judge(both).commercial_use == "clear"


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ("openbmb/UltraFeedback", "forbidden"),
        ("HuggingFaceH4/ultrafeedback_binarized", "forbidden"),
        ("berkeley-nest/Nectar", "forbidden"),
        ("RyokoAI/ShareGPT52K", "forbidden"),
        ("sentence-transformers/all-MiniLM-L6-v2", "forbidden"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "unclear"),
        ("google/gemma-3-270m-it", "unclear"),
        ("OpenAssistant/oasst1", "clear"),
        ("Anthropic/hh-rlhf", "clear"),
    ],
)
def test_the_shipped_ledger_follows_the_rule(work: str, expected: CommercialUse) -> None:
    assert judge([ancestor(work)]).commercial_use == expected
