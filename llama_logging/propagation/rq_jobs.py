"""RQ: a job belongs to the trace of whoever enqueued it."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.capture.tracing import TRACEPARENT, TRACESTATE, carry, followed


def install(module: Any) -> None:
    """Have jobs carry the active trace in their meta data, and workers perform them within it."""
    if module.__name__ == "rq.job":
        _have_jobs_carry(module.Job)
    else:
        _have_workers_follow(next(cls for cls in module.Worker.__mro__ if "perform_job" in vars(cls)))


def _have_jobs_carry(cls: Any) -> None:
    create = cls.create.__func__

    @functools.wraps(create)
    def carrying(cls: Any, *args: Any, **kwargs: Any) -> Any:
        job = create(cls, *args, **kwargs)
        carry(job.meta)
        return job

    cls.create = classmethod(carrying)


def _have_workers_follow(cls: Any) -> None:
    perform = cls.perform_job  # and not the job's own: a worker logs a failure after that

    @functools.wraps(perform)
    def within(self: Any, job: Any, *args: Any, **kwargs: Any) -> Any:
        with followed(job.meta.get(TRACEPARENT), job.meta.get(TRACESTATE)):
            return perform(self, job, *args, **kwargs)

    cls.perform_job = within
