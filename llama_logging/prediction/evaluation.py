"""How well errors of a log that is there could have been predicted: every decision is scored, then learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from llama_logging.prediction.forecast import Fate, Observation, Prediction, Quality, Skill
from llama_logging.prediction.forecaster import BASELINES, Window
from llama_logging.prediction.predictor import Predictor
from llama_logging.prediction.scoring import average_precision, calibration_error, log_loss
from llama_logging.prediction.trust import TO_WARN

WARM_UP = 0.2
"""The part of the decisions that is learned from, but not scored."""

ENOUGH = 30
"""Onsets below which the figures are chance; nothing is announced, either, before so many errors came."""

NAMES = ("predictor", *BASELINES)


@dataclass(slots=True)
class Decision:
    """One that is over: what was said, the predictor first, and whether an error followed."""

    at: float
    said: tuple[float, ...]
    followed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Of one log at one horizon.

    Attributes:
        decisions, positives: Those that are scored, and those an error followed.
        scores: The predictor's first, then the baselines'; exact, over all that is scored.
        quality: As the predictor itself counts it, with every alert announced.
        enough: Whether the log has enough onsets for the figures to say anything.
        why: What keeps it from being trusted where the log ends; empty if nothing.
    """

    horizon: float
    decisions: int
    positives: int
    scores: tuple[Skill, ...]
    quality: Quality
    enough: bool
    why: str

    @property
    def helps(self) -> bool:
        """Whether prediction is of use to what wrote such a log."""
        return self.enough and not self.why


@dataclass(slots=True)
class Replay:
    """A log on its way through a predictor.

    Attributes:
        decisions: For each horizon, in the order in which they were over.
    """

    predictor: Predictor
    decisions: dict[float, list[Decision]] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    leads: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for forecaster in self.predictor.forecasters:
            forecaster.watch = self._watcher(self.decisions.setdefault(forecaster.horizon, []))

    @staticmethod
    def _watcher(decisions: list[Decision]) -> Callable[[Window, bool], None]:
        def watch(window: Window, followed: bool) -> None:
            decisions.append(Decision(window.at, window.any.said, followed))

        return watch

    def run(self, observations: Iterable[Observation], progress: Callable[[int], None] = lambda number: None) -> int:
        """Let all of *observations* pass; how many there were."""
        number = 0
        for number, observation in enumerate(observations, 1):
            self.predictions += self.predictor.observe(observation)
            self._take()
            progress(number)
        last = self.predictor.stream.last
        # What is open at the end is never known: the log may have been cut.
        self.predictor.censor(last)
        self._take()
        return number

    def _take(self) -> None:
        for resolution in self.predictor.resolutions():
            if resolution.fate is not Fate.CENSORED:
                self.leads[resolution.prediction_id] = resolution.lead

    def evaluations(self) -> list[Evaluation]:
        """One for each horizon."""
        qualities = {quality.horizon: quality for quality in self.predictor.quality() if not quality.group}
        return [
            self._evaluation(
                forecaster.horizon, qualities[forecaster.horizon], forecaster.account.gate.wanting(TO_WARN)
            )
            for forecaster in self.predictor.forecasters
        ]

    def _evaluation(self, horizon: float, quality: Quality, why: str) -> Evaluation:
        decisions = sorted(self.decisions[horizon], key=lambda decision: decision.at)
        scored = decisions[int(WARM_UP * len(decisions)) :]
        return Evaluation(
            horizon=horizon,
            decisions=len(scored),
            positives=sum(decision.followed for decision in scored),
            scores=tuple(score(name, scored, index) for index, name in enumerate(NAMES)),
            quality=quality,
            enough=quality.onsets >= ENOUGH,
            why=why,
        )


def score(name: str, decisions: Sequence[Decision], index: int) -> Skill:
    """How good the predictor was that stands at *index* in what was said."""
    pairs = [(decision.said[index], decision.followed) for decision in decisions]
    return Skill(
        name=name,
        average_precision=average_precision(pairs),
        log_loss=sum(log_loss(*pair) for pair in pairs) / max(1, len(pairs)),
        calibration_error=calibration_error(pairs),
    )


def evaluate(
    observations: Iterable[Observation],
    horizons: Sequence[float] = (60.0, 300.0),
    progress: Callable[[int], None] = lambda number: None,
) -> list[Evaluation]:
    """Replay *observations* through a new predictor that announces from the start."""
    replay = Replay(Predictor(horizons=horizons, min_precision=0.0))
    replay.run(observations, progress)
    return replay.evaluations()
