"""Traces measured on the spot: one live evaluator for each checkpoint that a study names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dse.trace_sources import SourceOptions, looks_of, on_stderr
from evaluators.checkpoints import checkpoint_folder
from evaluators.encoders import encoder_shape
from evaluators.glue import GlueDataError, TaskData, load_task
from evaluators.live import LiveEvaluator
from evaluators.stages import looks_below
from evaluators.tasks import glue_task
from evaluators.trace_cache import MIB, TraceCache
from evaluators.traces import ExitTrace
from hw_cost import EncoderShape
from search_space import ModelKnobs
from studies.spec import StudySpec


class LiveSource:
    """Evaluates sentences; loads data and checkpoints when first needed, once each.

    Attributes:
        cache: of traces; None for none.
    """

    def __init__(
        self, spec: StudySpec, options: SourceOptions, say: Callable[[str], None] = on_stderr
    ) -> None:
        if options.glue_dir is None:
            raise GlueDataError(
                "Live evaluation needs the GLUE data: give its folder by --data or GLUE_DIR."
            )
        (task,) = spec.scenario.tasks
        self._task = glue_task(task)
        self._glue_dir = options.glue_dir
        self._looks = looks_of(spec)
        limit = options.cache_limit_mib
        self.cache = (
            None
            if options.cache is None
            else TraceCache(Path(options.cache), None if limit is None else limit * MIB, say)
        )
        self._own = spec.evaluator.checkpoints_of(task)
        self._data: TaskData | None = None
        self._evaluators: dict[str, LiveEvaluator] = {}
        torch.set_num_threads(options.torch_threads)

    def folder(self, checkpoint: str) -> Path:
        """Folder of a checkpoint by the name that the space uses."""
        return checkpoint_folder(checkpoint, self._own)

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder."""
        config = json.loads((self.folder(checkpoint) / "config.json").read_text())
        return encoder_shape(config, n_classes=self._task.n_outputs)

    @property
    def data(self) -> TaskData:
        """The sentences of the study's task."""
        if self._data is None:
            self._data = load_task(self._task, self._glue_dir)
        return self._data

    def evaluator(self, checkpoint: str) -> LiveEvaluator:
        """The evaluator of a checkpoint."""
        if checkpoint not in self._evaluators:
            self._evaluators[checkpoint] = LiveEvaluator(
                self.folder(checkpoint),
                self.data,
                self.cache,
                looks_below(len(self.data.select), self._looks),
            )
        return self._evaluators[checkpoint]

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of a setting, measured or from the cache."""
        return self.evaluator(knobs.checkpoint).trace(knobs)

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """The trace of a setting as it is measured: with racing one for each look, and so on."""
        return self.evaluator(knobs.checkpoint).stages(knobs)

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences."""
        return self.evaluator(checkpoint).select_tokens
