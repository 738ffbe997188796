"""
The typed environment: each variable that Bahi reads, with its bounds, and the refusal of what is wrong or unsafe.

`sections` has the variables, `values` their types, `refusals` what is wrong only together with another variable,
`example` writes `.env.example`. Nothing here imports Django, so that every process can read it first.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from secrets import token_hex

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from config.settings import MODULES, settings_module
from config.settings.environment import sections, sentences
from config.settings.environment.fields import example_of
from config.settings.environment.misspelt_names import find_misspelt_names
from config.settings.environment.refusals import find_unsafe_settings
from config.settings.environment.secret_files import read_secret_files


class InvalidEnvironment(Exception):
    """Some variables are missing, wrong or unsafe; each of `sentences` names one, what is wrong and an example."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class Environment(
    sections.Processes,
    sections.Logs,
    sections.Files,
    sections.Documents,
    sections.Money,
    sections.Messages,
    sections.Gateway,
    sections.LogIn,
    sections.Redis,
    sections.Postgres,
    sections.Https,
    sections.Secrets,
    sections.Deployment,
    BaseSettings,
):
    """All variables. The order of the sections, last first, is that of `.env.example`."""

    model_config = SettingsConfigDict(case_sensitive=True, enable_decoding=False, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what `read` passes on: the variables may be those of a process that is yet to start."""
        return (init_settings,)

    @property
    def is_strict(self) -> bool:
        """Whether this is production, or as strict."""
        return self.ENVIRONMENT in ("staging", "production")

    @property
    def given(self) -> set[str]:
        """The names of the variables that are set."""
        return self.model_fields_set


def read(variables: Mapping[str, str]) -> Environment:
    """
    Return the typed environment. A variable that is empty counts as not set.

    :raises InvalidEnvironment: if something is missing, wrong or unsafe
    """
    given = {name: text.strip() for name, text in variables.items() if text.strip()}
    module = given.get("DJANGO_SETTINGS_MODULE", "")
    given.setdefault("ENVIRONMENT", _implied_environment(module))
    fields = Environment.model_fields
    given, unreadable = read_secret_files(given, fields)
    malformed = dict(unreadable)
    try:
        environment = _typed(given)
    except ValidationError as error:
        malformed = dict(sentences.find_problems(error, fields)) | malformed
        environment = _typed(_with_stand_ins(given, malformed))
    problems = [(name, malformed[name]) for name in fields if name in malformed]
    if "ENVIRONMENT" not in malformed:  # which decides what the others must be
        refusals = find_unsafe_settings(environment, module=module)
        problems += [(name, problem) for name, problem in refusals if name not in malformed]
    if problems:
        raise InvalidEnvironment([sentences.sentence(name, problem, fields) for name, problem in problems])
    return environment


def _typed(given: Mapping[str, str]) -> Environment:
    source = EnvSettingsSource(Environment)
    source.env_vars = given
    return Environment(**source())


def _with_stand_ins(given: Mapping[str, str], malformed: Iterable[str]) -> dict[str, str]:
    """Return the variables with something well-formed for those that are not, so that the others can be judged too."""
    kept = {name: text for name, text in given.items() if name not in set(malformed)}
    for name in malformed:
        field = Environment.model_fields[name]
        if field.is_required():
            example = example_of(field)
            kept[name] = token_hex(32) if example.startswith("the ") else example
    return kept


def read_or_exit() -> Environment:
    """
    Return this process's environment, or write one line per problem to stderr and exit with status 2.

    A name that is nearly one of Bahi's variables is reported too, but does not end the process: it may be another program's.
    """
    sys.stderr.write("".join(f"{sentence}\n" for sentence in find_misspelt_names(os.environ, Environment.model_fields)))
    try:
        return read(os.environ)
    except InvalidEnvironment as wrong:
        sys.stderr.write("".join(f"{sentence}\n" for sentence in wrong.sentences))
        raise SystemExit(2) from wrong


def _implied_environment(module: str) -> str:
    """Return the environment that a settings module is for: naming neither means production."""
    names = [name for name, its in MODULES.items() if its == (module or settings_module({}))]
    return names[-1] if names else "local" if module == "config.settings.base" else "production"
