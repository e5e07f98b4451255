"""The table of correlations between knobs and values."""

from __future__ import annotations

import numpy as np

from dashboards.knob_figures import correlation_figure, correlations, text_knobs
from tests.dashboards.fake_runs import made_up_trials


def test_only_numbers_have_signs() -> None:
    """A number that lowers a value is negative; a text that decides is grey, without a sign."""
    trials = made_up_trials(
        4,
        mac_vector_size=[4, 8, 16, 32],
        exit_policy=["none", "none", "entropy", "entropy"],
        energy_pj=[4.0, 3.0, 2.0, 1.0],
    )
    names, found = correlations(trials, {"energy_pj": trials.values["energy_pj"]})
    assert text_knobs(trials) == {"exit_policy"}
    # Ranks 4 3 2 1: of their variance, 1.25, 1 lies between the two policies.
    expected = {"mac_vector_size": -1.0, "exit_policy": np.sqrt(1 / 1.25)}
    np.testing.assert_allclose(found[:, 0], [expected[name] for name in names])
    figure = correlation_figure(names, ["Energy"], found, text_knobs(trials), "dark")
    signed, plain = (dict(zip(names, trace.text, strict=True)) for trace in figure.data)
    assert (list(signed["mac_vector_size"]), list(signed["exit_policy"])) == (["-1.00"], [""])
    assert (list(plain["mac_vector_size"]), list(plain["exit_policy"])) == ([""], ["0.89"])
