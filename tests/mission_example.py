"""The program that the mission began with; only its import line names this package.

A component of a story-telling application captures, recovers, and hands the result back; a summary
of the last 24 hours ends the day.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from llama_logging import AdvancedErrorHandler, ErrorContext, ErrorSeverity

reports: list[str] = []


class OllamaConnectionError(Exception):
    """The Ollama server cannot be reached."""


class AIGenerationError(Exception):
    """A text could not be generated."""


def external_error_reporting(error_context: ErrorContext) -> None:
    """Send the error to an outside system."""
    reports.append(f"{error_context.severity.name}: {error_context.error_message}")


def ollama_connection_recovery(error_context: ErrorContext) -> dict[str, Any]:
    """Connect to Ollama again."""
    return {"connected": True, "attempted_for": error_context.error_type}


def ai_generation_fallback(error_context: ErrorContext) -> str:
    """Tell a story that needs no model."""
    prompt = error_context.additional_context.get("prompt", "nothing")
    return f"Fallback story about {prompt}"


error_handler = AdvancedErrorHandler(
    log_file="llamakeeper_errors.log", error_reporting_callback=external_error_reporting
)
error_handler.register_recovery_strategy("OllamaConnectionError", ollama_connection_recovery)
error_handler.register_recovery_strategy("AIGenerationError", ai_generation_fallback)


class LlamaKeeperComponent:
    """A part of the application that may fail."""

    async def generate_story(self, prompt: str) -> Any:
        """Generate a story, or what recovery has instead."""
        try:
            if not prompt:
                raise OllamaConnectionError("no connection to localhost:11434")
            raise AIGenerationError("the model is out of memory")
        except Exception as error:
            error_context = error_handler.capture_error(
                error, context={"prompt": prompt, "component": "story"}, severity=ErrorSeverity.ERROR
            )
            recovery = error_handler.attempt_recovery(error_context)
            if recovery["success"]:
                return recovery["result"]
            raise


async def main() -> None:
    """Generate, then sum up."""
    component = LlamaKeeperComponent()
    print(await component.generate_story("a brave llama"))
    print(await component.generate_story(""))
    try:
        raise ZeroDivisionError("nobody has a strategy for this")
    except ZeroDivisionError as error:
        context = error_handler.capture_error(error, severity=ErrorSeverity.CRITICAL)
        print(error_handler.attempt_recovery(context))
    summary = error_handler.get_error_summary(
        since=datetime.now() - timedelta(hours=24), severity_threshold=ErrorSeverity.WARNING
    )
    print("Error Summary:")
    print(f"Total Errors: {summary['total_errors']}")
    print(f"By Severity: {summary['errors_by_severity']}")
    print(f"Top Error Types: {summary['top_error_types']}")
    for recent in summary["recent_errors"]:
        print(
            f"{recent['timestamp'].isoformat()} {recent['severity']} {recent['error_type']}: {recent['error_message']}"
        )


if __name__ == "__main__":
    asyncio.run(main())
