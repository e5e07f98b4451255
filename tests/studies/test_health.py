"""What the health checks of a run find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.health import Finding, findings
from studies.predictability import explained_share
from studies.run_snapshot import RunSnapshot
from tests.dashboards.conftest import MakeFront, design, front, make_front
from tests.dashboards.fake_runs import made_up_snapshot, made_up_trials

__all__ = ["front", "make_front"]

NUMBERS = list(range(60))
JOINT = {"search.strategy": "joint"}


def of(run: RunSnapshot, check: str) -> list[Finding]:
    """The findings of one check."""
    return [finding for finding in findings(run) if finding.check == check]


def verdicts(run: RunSnapshot, check: str) -> list[str]:
    """The verdicts of one check."""
    return [finding.verdict for finding in of(run, check)]


@pytest.fixture
def designs() -> list[dict[str, Any]]:
    """Six designs whose accuracies lie 5 points apart, with errors of 1 point."""
    return [
        design(i, metrics={"accuracy": (0.9 - 0.05 * i, 0.01), "energy_pj": (4e7 - 1e6 * i, 1e5)})
        for i in range(6)
    ]


def test_every_warning_has_a_remedy(make_front: MakeFront) -> None:
    """Whatever is not a pass says what to do, the worst first."""
    none = make_front([], history=[], counts={}, hypervolume=0.0)
    found = findings(made_up_snapshot(none, made_up_trials(4, infeasible=4)))
    assert all(finding.remedy for finding in found if finding.verdict != "PASS")
    order = ["FAIL", "WARN", "PASS"]
    ranks = [order.index(finding.verdict) for finding in found]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


@pytest.mark.parametrize(("infeasible", "verdict"), [(5, "PASS"), (6, "WARN"), (10, "FAIL")])
def test_feasibility(
    make_front: MakeFront, designs: list[dict[str, Any]], infeasible: int, verdict: str
) -> None:
    """More than half of the trials infeasible is worth a look, all of them is a failure."""
    run = made_up_snapshot(make_front(designs), made_up_trials(10, infeasible=infeasible))
    assert verdicts(run, "Feasibility") == [verdict]


@pytest.mark.parametrize(("n", "verdict"), [(0, "FAIL"), (1, "WARN"), (4, "WARN"), (5, "PASS")])
def test_front(make_front: MakeFront, designs: list[dict[str, Any]], n: int, verdict: str) -> None:
    """No design is a failure once there are trials; fewer than five are no trade-off."""
    assert verdicts(made_up_snapshot(make_front(designs[:n]), made_up_trials(5)), "Front") == [
        verdict
    ]


@pytest.mark.parametrize(("failed", "verdict"), [(0, "PASS"), (2, "WARN"), (3, "FAIL")])
def test_failures(
    make_front: MakeFront, designs: list[dict[str, Any]], failed: int, verdict: str
) -> None:
    """A trial that failed is worth a look, more than a tenth of them is a failure."""
    states = ["failed"] * failed + ["complete"] * (20 - failed)
    reasons = ["MemoryError: 3 GB"] * failed + [""] * (20 - failed)
    run = made_up_snapshot(make_front(designs), made_up_trials(20, state=states, reason=reasons))
    (finding,) = of(run, "Failures")
    assert finding.verdict == verdict
    assert ("MemoryError: 3 GB" in finding.text) == (failed > 0)


@pytest.mark.parametrize(
    ("told", "volumes", "verdict"),
    [
        (5, [0.2, 0.4, 0.4, 0.4, 0.5], "WARN"),  # the last of five trials is their last tenth
        (5, [0.2, 0.4, 0.5, 0.5, 0.5], "PASS"),
        (1, [0.3], "WARN"),
        (20, [*[0.3] * 18, 0.4, 0.4], "WARN"),
        (20, [*[0.3] * 17, *[0.4] * 3], "PASS"),
        (20, [*[0.3] * 18, 0.302, 0.302], "PASS"),
        (4, [0.0] * 4, None),  # no design yet: nothing to grow
    ],
)
def test_budget(
    make_front: MakeFront,
    designs: list[dict[str, Any]],
    told: int,
    volumes: list[float],
    verdict: str | None,
) -> None:
    """Growth over the last tenth of the trials counts from where the trials before it ended."""
    history = [
        {"trial": i, "designs_scored": i, "front_size": 1, "hypervolume": volume}
        for i, volume in enumerate(volumes, start=1)
    ]
    run = made_up_snapshot(make_front(designs, history=history), made_up_trials(told))
    assert verdicts(run, "Budget") == ([verdict] if verdict else [])


def test_orphans(make_front: MakeFront, designs: list[dict[str, Any]]) -> None:
    """Trials in the air are orphans only if no driver is left."""
    from dataclasses import replace

    trials = replace(made_up_trials(5), in_flight=2)
    stopped = made_up_snapshot(make_front(designs), trials, state="unfinished")
    running = made_up_snapshot(make_front(designs), trials, state="running")
    assert verdicts(stopped, "Orphaned trials") == ["WARN"]
    assert "2 trials were" in of(stopped, "Orphaned trials")[0].text
    assert verdicts(running, "Orphaned trials") == ["PASS"]
    assert verdicts(stopped, "Budget") == ["WARN"]


def test_error_bars(make_front: MakeFront, designs: list[dict[str, Any]]) -> None:
    """Gaps of 5 points stand against errors of 1, and not against errors of 6."""
    assert verdicts(made_up_snapshot(make_front(designs), made_up_trials(5)), "Error bars") == [
        "PASS"
    ]
    for each in designs:
        each["metrics"]["accuracy"]["se"] = 0.06
    assert verdicts(made_up_snapshot(make_front(designs), made_up_trials(5)), "Error bars") == [
        "WARN"
    ]


def test_knob_at_its_bound(make_front: MakeFront, designs: list[dict[str, Any]]) -> None:
    """A knob that half of the front has at an end of its range is named with the end."""
    for i, each in enumerate(designs):
        each["knobs"]["mac_vector_size"] = 16 if i < 3 else 8
    found = of(made_up_snapshot(make_front(designs), made_up_trials(5)), "Knob at its bound")
    assert [f.text for f in found if "mac_vector_size" in f.text] == [
        "mac_vector_size is 16 in 50% of the front, its upper end."
    ]


def test_knob_without_effect(make_front: MakeFront, designs: list[dict[str, Any]]) -> None:
    """A knob that moves nothing is named, one that decides is not."""
    sizes = [4 if i % 2 else 8 for i in NUMBERS]
    trials = made_up_trials(
        60,
        mac_vector_size=sizes,
        data_sram_kib=[32 if i % 4 < 2 else 64 for i in NUMBERS],
        accuracy=[0.5 + 0.001 * size for size in sizes],
        energy_pj=[1e6 * size for size in sizes],
        area_mm2=[0.1 * size for size in sizes],
    )
    run = made_up_snapshot(make_front(designs), trials, changes=JOINT)
    found = of(run, "Knob without effect")
    assert [f.text for f in found] == ["Means of the objectives hardly depend on data_sram_kib."]
    assert verdicts(run, "Predictability") == ["PASS"]


def test_noise_cannot_be_predicted(make_front: MakeFront, designs: list[dict[str, Any]]) -> None:
    """An objective that has nothing to do with the knobs is told."""
    noise = np.random.default_rng(0)
    trials = made_up_trials(
        60,
        mac_vector_size=[4 if i % 2 else 8 for i in NUMBERS],
        accuracy=noise.random(60).tolist(),
        energy_pj=noise.random(60).tolist(),
        area_mm2=noise.random(60).tolist(),
    )
    run = made_up_snapshot(make_front(designs), trials, changes=JOINT)
    assert verdicts(run, "Predictability") == ["WARN"] * 3


def test_explained_share_of_a_step() -> None:
    """A value that one knob decides is explained wholly, pure noise not at all."""
    codes = np.arange(200).reshape(-1, 1) % 4
    assert explained_share(codes, codes[:, 0] * 1.0) == pytest.approx(1.0)
    assert explained_share(codes, np.random.default_rng(1).random(200)) < 0.1


@pytest.mark.parametrize("strategy", ["nested", "joint"])
@pytest.mark.parametrize("n", [1, 40])
def test_nothing_feasible(make_front: MakeFront, strategy: str, n: int) -> None:
    """With no design at all, what was not looked at is not praised, and the front is missing."""
    none = make_front([], history=[], counts={}, hypervolume=0.0)
    trials = made_up_trials(n, infeasible=n, accuracy=[float("nan")] * n)
    run = made_up_snapshot(none, trials, changes={"search.strategy": strategy})
    found = {finding.check: finding.verdict for finding in findings(run)}
    assert found["Front"] == found["Feasibility"] == "FAIL"
    assert not {"Predictability", "Knob without effect", "Budget"} & found.keys()
