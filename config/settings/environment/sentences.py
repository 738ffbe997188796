"""What is said of a wrong variable: one sentence with its name, what is wrong, and an example."""

from typing import Any

from pydantic import ValidationError

from config.settings.environment.fields import example_of


def sentence(name: str, problem: str, fields: dict[str, Any]) -> str:
    """Return the sentence about a variable; `problem` goes on after its name, and to its full stop if it has one."""
    if problem.endswith("."):
        return f"{name} {problem}"
    example = example_of(fields[name])
    shown = example if example.startswith("the ") else f"{name}={example}"  # some are described, as secrets are
    return f"{name} {problem}; for example {shown}."


def find_problems(error: ValidationError, fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the variables that pydantic refuses, each with what is wrong with it, in the order of the sections."""
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        refused = str(each.get("ctx", {}).get("error", each["msg"]))
        problems.setdefault(str(each["loc"][0]), "is not set" if each["type"] == "missing" else refused)
    return [(name, problems[name]) for name in fields if name in problems]
