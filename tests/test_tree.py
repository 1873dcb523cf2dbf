"""Watching a beam changes nothing, and its tree holds what the search did."""

import numpy as np
from test_search import EOS_BONUS, PENALTIES, SEEDS, WEIGHTS, WIDTHS, law
from toy import EOS, TableStepper, random_ctc

from asr.search.beam import beam
from asr.search.tree import TreeRecorder


@law(SEEDS, WIDTHS, PENALTIES, WEIGHTS, EOS_BONUS)
def test_a_beam_that_is_watched_finds_the_same_and_its_tree_leads_there(seed, width, penalty, weight, bonus):
    toy, ctc = TableStepper(seed, vocabulary=7, eos_bonus=bonus), random_ctc(seed, 6, vocabulary=7)
    settings = {
        "width": width,
        "max_tokens": 5,
        "length_penalty": penalty,
        "ctc_log_probs": ctc,
        "ctc_weight": weight,
        "n_best": width,
    }
    recorder = TreeRecorder()
    found = beam(toy, **settings, watch=recorder)
    assert found == beam(toy, **settings)
    for each in found:
        way = [recorder.nodes[place] for place in recorder.way_to(each)]
        assert tuple(node.token for node in way) == (*each.tokens, *([EOS] if each.ended else []))
        assert way[-1].score == each.score
        assert [node.step for node in way] == list(range(1, len(way) + 1))
    for step in {node.step for node in recorder.nodes}:
        kept = sorted((n.score for n in recorder.nodes if n.step == step and n.fate != "dropped"), reverse=True)
        dropped = [node.score for node in recorder.nodes if node.step == step and node.fate == "dropped"]
        assert len(kept) <= width + 1
        assert len(dropped) <= 3
        assert not dropped or max(dropped) <= kept[min(width, len(kept)) - 1] + 1e-12
        assert np.isfinite(dropped).all()
