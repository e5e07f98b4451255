"""Designs that a page holds on to."""

from __future__ import annotations

import json
from typing import Any

from dashboards.held_design import HeldDesign, held_design
from dashboards.run_views import RunViews
from tests.dashboards.conftest import MakeFront, design, three_designs
from tests.dashboards.fake_runs import FakeRun, made_up_snapshot, made_up_trials


def views_of(run: FakeRun) -> RunViews:
    """A dashboard of one run."""
    return RunViews([run])


def test_a_store_gives_back_the_design(make_front: MakeFront) -> None:
    """What was stored comes back: floats that are whole stay floats, whole numbers stay whole."""
    front = make_front([design(0, encoder_sparsity=0.0, envm_mib=8.0)])
    view = views_of(FakeRun("a", made_up_snapshot(front, made_up_trials(5)))).view("a")
    held = HeldDesign.of(view, view.front.designs[0], {"run": "a", "id": 0})
    found = held_design(json.loads(json.dumps(held.stored())))
    assert found == held
    assert isinstance(held.knobs["encoder_sparsity"], float)
    assert [type(v) for v in found.knobs.values()] == [type(v) for v in held.knobs.values()]
    assert found.values["accuracy"] == 0.9


def test_other_designs_are_refused(make_front: MakeFront) -> None:
    """A text that was changed, one without seal and nothing at all are no designs."""
    front = make_front(three_designs())
    view = views_of(FakeRun("a", made_up_snapshot(front, made_up_trials(5)))).view("a")
    stored = HeldDesign.of(view, view.front.designs[0], None).stored()
    other = stored | {"text": stored["text"].replace("minilm-exits", "../elsewhere")}
    assert held_design(stored) is not None
    assert other["text"] != stored["text"]
    refused: list[Any] = [other, {"text": stored["text"]}, stored | {"seal": "é"}, None, 1, []]
    for wrong in refused:
        assert held_design(wrong) is None


def test_its_number_follows_the_front(make_front: MakeFront) -> None:
    """A design is named by its number on the front as it is now, or said to have left it."""
    designs = three_designs()
    run = FakeRun("a", made_up_snapshot(make_front(designs), made_up_trials(5)))
    views = views_of(run)
    held = HeldDesign.of(views.view("a"), views.view("a").front.designs[1], None)
    assert held.name_in(views.view("a")) == "Design #1"
    new = [design(0, mac_vector_size=4) | {"trial": 40}]
    moved = new + [each | {"id": each["id"] + 1} for each in designs]
    run.grown(front=make_front(moved))
    assert held.name_in(views.view("a")) == "Design #2"
    run.grown(front=make_front(new))
    assert held.name_in(views.view("a")) == "A design of trial 11, which has left the front"
