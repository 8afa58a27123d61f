"""How predictions look on a terminal: quality beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence

from llama_logging.cli.terminal import painted, print_table
from llama_logging.prediction.evaluation import ENOUGH, Evaluation
from llama_logging.prediction.forecast import Quality
from llama_logging.visible import counted


def print_evaluation(evaluation: Evaluation) -> None:
    """One horizon of one log."""
    share = evaluation.positives / max(1, evaluation.decisions)
    print(painted(f"an error within {evaluation.horizon:g} s", "1") + f": after {share:.1%} of {evaluation.decisions} "
          "moments, all scored before they were learned from")  # fmt: skip
    rows = [
        [score.name, f"{score.average_precision:.3f}", f"{score.log_loss:.3f}", f"{score.calibration_error:.3f}"]
        for score in evaluation.scores
    ]
    print_table([["", "average precision", "log loss", "calibration error"], *rows])
    print(warnings_told(evaluation.quality))
    if not evaluation.enough:
        print(f"too little to say anything: {counted(evaluation.quality.onsets, 'onset')}, and at least {ENOUGH} are "
              f"needed, each an error after {evaluation.horizon:g} s without any")  # fmt: skip


def warnings_told(quality: Quality) -> str:
    """The early warnings in one sentence."""
    told = f"{quality.foreseen} of {quality.onsets} onsets foreseen; "
    if not quality.announced:
        return f"{told}no early warnings yet"
    low, high = round(100 * quality.precision_low), round(100 * quality.precision_high)
    told += f"{quality.hits} of {quality.announced} early warnings came true (95 % interval {low} to {high} %), "
    told += f"{quality.false_alarms_per_day:.1f} false alarms an active day"
    return told if quality.median_lead is None else f"{told}, {quality.median_lead:.0f} s ahead (median)"


def print_evaluations(path: str, evaluations: Sequence[Evaluation]) -> None:
    """All horizons of one log."""
    print(painted(path, "1"))
    for evaluation in evaluations:
        print_evaluation(evaluation)
    print(verdict(evaluations))


def verdict(evaluations: Sequence[Evaluation]) -> str:
    """Whether prediction helps on that log, and where not, why."""
    told = {
        True: [f"within {evaluation.horizon:g} s" for evaluation in evaluations if evaluation.helps],
        False: [
            f"within {evaluation.horizon:g} s ({evaluation.why if evaluation.enough else 'too little to say anything'})"
            for evaluation in evaluations
            if not evaluation.helps
        ],
    }
    helps, not_at_all = ", ".join(told[True]), ", ".join(told[False])
    if not helps:
        return f"prediction does not help on this log: {not_at_all}"
    return f"prediction helps on this log: {helps}" + (f"; not {not_at_all}" if not_at_all else "")
