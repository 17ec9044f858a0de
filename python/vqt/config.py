"""QuantizationConfig: the C++ config with keyword fields. docs/config.md explains every field."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from typing import Any

from . import _C

_FIELDS = {field.name: field for field in _C.config_fields()}
_FROZEN = "QuantizationConfig cannot be changed"
_NAMES = [name for field in _FIELDS.values() for name in (field.name, field.alias) if name]


def preset_names() -> list[str]:
    """Names that QuantizationConfig.preset knows."""
    return _C.preset_names()


class QuantizationConfig:
    # __doc__ and the signature are made from the C++ list of fields below.

    _config: _C.Config

    def __init__(self, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        object.__setattr__(self, "_config", _C.Config.from_json(_json(given), "QuantizationConfig"))

    @classmethod
    def _of(cls, config: _C.Config) -> QuantizationConfig:
        made = cls.__new__(cls)
        object.__setattr__(made, "_config", config)
        return made

    def replace(self, **fields: Any) -> QuantizationConfig:
        """A copy with these fields changed; None: the field's default. Fields that contradict the given ones are
        derived again: preset("production").replace(bits=4) is int4_group."""
        kept = {name: value for name, value in self.to_dict().items() if name not in fields or fields[name] is not None}
        given = {name: value for name, value in fields.items() if value is not None}
        for name in fields.keys() - given.keys():
            _check_name(name)
        base = self._config if kept == self.to_dict() else QuantizationConfig(**kept)._config
        return QuantizationConfig._of(base.replace(_json(given), "QuantizationConfig"))

    @classmethod
    def from_json(cls, text: str) -> QuantizationConfig:
        """From a JSON object, as --config reads it."""
        return cls._of(_C.Config.from_json(text, "config"))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> QuantizationConfig:
        """From a JSON file."""
        return cls._of(_C.Config.from_file(os.fspath(path)))

    @classmethod
    def preset(cls, name: str) -> QuantizationConfig:
        """production, mobile (or int4-g64), prototype (or int8-per-tensor), int16, int8-asym, smallest."""
        made = cls._of(_C.Config.preset(name))
        if note := _C.preset_note(name):
            warnings.warn(note, stacklevel=2)
        return made

    def to_json(self, indent: int = 2) -> str:
        """quant_type and the fields that differ from their defaults; indent -1 is one line."""
        return self._config.to_json(indent)

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary: QuantizationConfig(**config.to_dict()) == config."""
        return json.loads(self._config.to_json(-1))

    @property
    def display_name(self) -> str:
        """What reports call it: name, or the quant_type it resolves to."""
        return self._config.display_name()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "_config" not in self.__dict__:
            raise AttributeError(f"QuantizationConfig has no field {name!r}")
        _check_name(name)
        field = next(field.name for field in _FIELDS.values() if name in (field.name, field.alias))
        return json.loads(self._config.values()).get(field)

    def __setattr__(self, name: str, value: Any) -> None:
        _check_name(name)
        raise AttributeError(f"{_FROZEN}; config.replace({name}={value!r}) is a changed copy")

    def __delattr__(self, name: str) -> None:
        _check_name(name)
        raise AttributeError(f"{_FROZEN}; config.replace({name}=None) is a copy with the default")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_FIELDS]

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, QuantizationConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"QuantizationConfig({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return QuantizationConfig.from_json, (self.to_json(),)


def _check_name(name: str) -> None:
    if name not in _NAMES:
        raise AttributeError(f"QuantizationConfig has no field {name!r}; nearest: {_C.nearest_name(name, _NAMES)}")


def _json(fields: dict[str, Any]) -> str:
    try:
        return json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"QuantizationConfig: expected strings, numbers, booleans and lists: {error}"
        raise _C.ConfigError(message) from None


def _describe(field: _C.FieldInfo) -> str:
    values = f" ({', '.join(field.allowed)})" if field.allowed else ""
    return f"    {field.name}: {field.help}{values}. Default: {field.initial}"


_INTRODUCTION = """What to store in how many bits. Keyword fields; None means the default.

A config cannot be changed: config.replace(bits=4) is a changed copy."""
QuantizationConfig.__doc__ = "\n".join([_INTRODUCTION, "", *map(_describe, _FIELDS.values())])
QuantizationConfig.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in _FIELDS]
)
