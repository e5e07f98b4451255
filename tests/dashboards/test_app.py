"""The application without a browser: its pages for runs of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dash import Dash

from dashboards.app import PAGES, create_app
from dashboards.pages import overview
from dashboards.progress_data import hypervolume_times, pace
from dashboards.run_views import RunViews, UnknownRunError
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design
from tests.dashboards.fake_runs import FakeRun, made_up_snapshot, made_up_trials

EMPTY = {"hypervolume": 0.0, "history": [], "counts": {"designs_scored": 0}}


@pytest.fixture
def runs(make_front: MakeFront, front: Front) -> list[FakeRun]:
    """No trial, one trial, all infeasible, a front, and a damaged run."""
    none, one = make_front([], **EMPTY), make_front([design(0)])
    return [
        FakeRun("none", made_up_snapshot(none, made_up_trials(0), state="running")),
        FakeRun("one", made_up_snapshot(one, made_up_trials(1))),
        FakeRun("infeasible", made_up_snapshot(none, made_up_trials(3, infeasible=3))),
        FakeRun("front", made_up_snapshot(front, made_up_trials(5))),
        FakeRun("damaged", "front.json: damaged"),
    ]


def text_of(component: Any) -> str:
    """Everything in a component as JSON."""
    return json.dumps(component, default=lambda each: each.to_plotly_json())


@pytest.mark.parametrize("path", PAGES)
def test_layout_of_every_page(runs: list[FakeRun], path: str) -> None:
    """Every page has a layout, whatever is known of the run."""
    views = RunViews(runs)
    for name in ("none", "one", "infeasible", "front"):
        assert text_of(PAGES[path][1].layout(views.view(name), views))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "No trial has ended yet"),
        ("infeasible", "the commonest reason is: no room"),
        ("one", "The only point of the front."),
    ],
)
def test_overview_says_why_little_is_there(runs: list[FakeRun], name: str, sentence: str) -> None:
    """With no trial, one trial, and no feasible one the first page says so in a sentence."""
    views = RunViews(runs)
    app = Dash("test", suppress_callback_exceptions=True)
    overview.register(app, views)
    texts = next(
        entry["callback"]
        for key, entry in app.callback_map.items()
        if key.startswith("..overview-head")
    )
    found = texts.__wrapped__(None, name)
    assert sentence in text_of(found)


def test_only_given_runs(runs: list[FakeRun]) -> None:
    """A name that was not given is refused before anything is read."""
    views = RunViews(runs)
    for name in ("../etc", "", None, 3, {"run": "one"}):
        with pytest.raises(UnknownRunError):
            views.view(name)


def test_views_follow_their_run(runs: list[FakeRun]) -> None:
    """Columns are worked out once a version."""
    views = RunViews(runs)
    before = views.view("front")
    assert views.view("front") is before
    runs[3].grown(note="more")
    assert views.view("front").snapshot.note == "more"


def test_stores_are_not_trusted(runs: list[FakeRun]) -> None:
    """Ids of another run, ids that there are not, and nonsense select nothing."""
    view = RunViews(runs).view("front")
    assert view.selected({"run": "front", "ids": [1, 99, "x", -1]}) == [1]
    assert view.selected({"run": "one", "ids": [0]}) == []
    assert view.selected("<script>") == []
    assert view.design({"run": "front", "id": 99}) == view.design(None)


def test_server_is_guarded(runs: list[FakeRun]) -> None:
    """The page is served to this machine's names alone, and its scripts are named in the policy."""
    client = create_app(runs).server.test_client()
    found = client.get("/", headers={"Host": "127.0.0.1"})
    assert found.status_code == 200
    assert "https://" not in found.text
    assert "'sha256-" in found.headers["Content-Security-Policy"]
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/assets/../app.py", headers={"Host": "127.0.0.1"}).status_code == 404
    post = client.post("/_dash-update-component", headers={"Host": "evil.example"}, json={})
    assert post.status_code == 403


class TestPace:
    """How fast trials end."""

    def test_by_hand(self, front: Front) -> None:
        """Five trials a second apart of twelve: sixty a minute, seven seconds left."""
        found = pace(made_up_snapshot(front, made_up_trials(5)))
        assert (found.elapsed_s, found.per_minute, found.left_s) == (5.0, 60.0, 7.0)

    def test_times_of_the_history(self, front: Front) -> None:
        """The hypervolume after trial n is reached when trial n was told."""
        times, volumes = hypervolume_times(made_up_snapshot(front, made_up_trials(5)))
        assert times == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert volumes == [0.2, 0.4, 0.4, 0.4, 0.5]
