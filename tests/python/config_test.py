"""vqt.QuantizationConfig: keyword fields, checked like JSON."""

import copy
import inspect
import pickle
from pathlib import Path

import pytest
import vqt

FIELDS = ["name", "quant_type", "bits", "symmetric", "per_channel", "group_size", "skip_first_last", "activation",
          "activation_symmetric", "calibration_samples", "calibration_method", "device", "sensitive_layers",
          "sensitive_bits", "normal_bits", "ignore", "attention", "convolutions", "algorithms", "fusions", "overrides"]


def test_every_field_is_a_keyword_and_is_explained() -> None:
    parameters = inspect.signature(vqt.QuantizationConfig).parameters
    assert list(parameters) == FIELDS
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    for field in FIELDS:
        assert f"    {field}: " in vqt.QuantizationConfig.__doc__


# (fields, quant_type, bits, symmetric, per_channel, group_size) as they resolve
RESOLVED = [
    ({}, "int8_per_channel_sym", 8, True, True, None),
    ({"bits": 4}, "int4_group", 4, True, None, 128),
    ({"num_bits": 4, "symmetric": False}, "int4_group", 4, False, None, 128),
    ({"group_size": -1}, "int4_group", 4, True, None, -1),
    ({"per_channel": False}, "int8_per_tensor_sym", 8, True, False, None),
    ({"symmetric": False}, "int8_per_channel_asym", 8, False, True, None),
    ({"bits": 16}, "int16_per_channel_sym", 16, True, True, None),
    ({"quant_type": "int8_per_tensor_asym"}, "int8_per_tensor_asym", 8, False, False, None),
    ({"quant_type": "mixed_precision", "group_size": 64}, "mixed_precision", None, True, True, 64),
    ({"quant_type": "mixed_precision", "sensitive_bits": 4, "normal_bits": 8}, "mixed_precision", None, True, True, 128),
    ({"quant_type": "mixed_precision", "sensitive_bits": 16, "symmetric": False}, "mixed_precision", None, False, True, 128),
    ({"bits": None, "quant_type": None}, "int8_per_channel_sym", 8, True, True, None),
]


@pytest.mark.parametrize("fields, quant_type, bits, symmetric, per_channel, group_size", RESOLVED)
def test_attributes_are_what_the_fields_resolve_to(fields, quant_type, bits, symmetric, per_channel, group_size) -> None:
    config = vqt.QuantizationConfig(**fields)
    assert config.quant_type == config.display_name == quant_type
    assert (config.bits, config.symmetric, config.per_channel, config.group_size) == (
        bits, symmetric, per_channel, group_size)


def test_attributes_have_the_documented_defaults() -> None:
    config = vqt.QuantizationConfig()
    expected = {"name": "", "skip_first_last": True, "activation": "dynamic", "activation_symmetric": False,
                "calibration_samples": 100, "calibration_method": "minmax", "device": "cpu",
                "sensitive_layers": ["attention", "head"], "sensitive_bits": 8, "normal_bits": 4, "ignore": [],
                "attention": "float", "convolutions": "float", "algorithms": [], "fusions": ["all"], "overrides": []}
    assert {name: getattr(config, name) for name in expected} == expected
    assert set(FIELDS) <= set(dir(config))
    with pytest.raises(AttributeError, match="no field 'bitz'"):
        config.bitz


ROUND_TRIPS = [
    {},
    {"bits": 4, "group_size": 64, "symmetric": False},
    {"name": "größer", "activation": "static", "calibration_samples": 3, "device": "cuda"},
    {"quant_type": "mixed_precision", "sensitive_layers": ["fc", "re:.*\\.qkv"], "normal_bits": 8},
    {"ignore": ["head"], "overrides": [{"targets": ["fc1"], "bits": 16}, {"targets": ["a.b"], "group_size": -1}]},
]


@pytest.mark.parametrize("fields", ROUND_TRIPS)
def test_round_trips_keep_the_config(fields: dict, tmp_path: Path) -> None:
    config = vqt.QuantizationConfig(**fields)
    path = tmp_path / "q.json"
    path.write_text(config.to_json())
    for other in (
        vqt.QuantizationConfig(**config.to_dict()),
        vqt.QuantizationConfig.from_json(config.to_json()),
        vqt.QuantizationConfig.from_file(path),
        eval(repr(config), {"QuantizationConfig": vqt.QuantizationConfig}),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
    ):
        assert other == config and hash(other) == hash(config)
        assert other.to_dict() == config.to_dict()


def test_equal_means_the_same_scheme_however_it_was_said() -> None:
    assert vqt.QuantizationConfig(bits=4) == vqt.QuantizationConfig(quant_type="int4_group", group_size=128)
    assert vqt.QuantizationConfig(bits=4) != vqt.QuantizationConfig(bits=4, group_size=64)
    assert vqt.QuantizationConfig() != "int8_per_channel_sym"
    assert repr(vqt.QuantizationConfig(bits=4, ignore=["head"])) == (
        "QuantizationConfig(quant_type='int4_group', ignore=['head'])")


def test_presets() -> None:
    assert vqt.preset_names() == ["production", "mobile", "prototype", "int16", "int8-asym", "smallest"]
    for alias, name in [("int4-g64", "mobile"), ("int8-per-tensor", "prototype")]:
        assert vqt.QuantizationConfig.preset(alias) == vqt.QuantizationConfig.preset(name)
    assert vqt.QuantizationConfig.preset("mobile").to_dict() == {
        "name": "mobile", "quant_type": "int4_group", "group_size": 64, "attention": "int8", "convolutions": "int8"}
    with pytest.warns(UserWarning, match="preset max-accuracy: is int16, the most accurate preset"):
        assert vqt.QuantizationConfig.preset("max-accuracy") == vqt.QuantizationConfig.preset("int16")


def test_a_config_cannot_be_changed_but_replaced() -> None:
    config = vqt.QuantizationConfig.preset("production")
    before = config.to_json()
    for change, message in [
        (lambda: setattr(config, "bits", 4), "QuantizationConfig cannot be changed; config.replace(bits=4) is a changed copy"),
        (lambda: setattr(config, "bitz", 4), "QuantizationConfig has no field 'bitz'; nearest: bits"),
        (lambda: delattr(config, "bits"), "QuantizationConfig cannot be changed; config.replace(bits=None) is a copy with the default"),
        (lambda: config.group, "QuantizationConfig has no field 'group'; nearest: group_size"),
        (lambda: config.replace(skip=None), "QuantizationConfig has no field 'skip'; nearest: skip_first_last"),
    ]:
        with pytest.raises(AttributeError) as error:
            change()
        assert str(error.value) == message
    assert config.to_json() == before
    smaller = config.replace(bits=4, ignore=["head"])
    assert smaller.to_dict() == {
        "name": "production bits=4 ignore=head", "quant_type": "int4_group", "ignore": ["head"], "attention": "int8", "convolutions": "int8"}
    assert smaller.replace(ignore=None, name=None, attention=None, convolutions=None).to_dict() == {"quant_type": "int4_group"}
    assert smaller.replace() == smaller and config.to_json() == before
    assert vqt.QuantizationConfig(num_bits=4).num_bits == 4
    for fields, message in [
        ({"bitz": 4}, "QuantizationConfig: bitz: no such field; nearest: bits"),
        ({"bits": 8, "group_size": 64}, "QuantizationConfig: group_size: 64 contradicts bits 8: only 4 bits are stored in groups"),
        ({"ignore": {"head"}}, "QuantizationConfig: expected strings, numbers, booleans and lists: Object of type set is not JSON "
         "serializable"),
    ]:  # fmt: skip
        with pytest.raises(vqt.ConfigError) as error:
            config.replace(**fields)
        assert str(error.value) == message


@pytest.mark.parametrize("name", ["w8a8", "w8a16", "w4a8-g128", "w4a8-g64", "w4a16-g32", "w4a8-row", "w16a16"])
def test_what_tables_print_is_a_quant_type(name: str) -> None:
    import torch

    model = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(128, 128)))
    config = {"quant_type": name, "skip_first_last": False}
    for given in (config, vqt.QuantizationConfig(**config), vqt.QuantizationConfig(skip_first_last=False).replace(quant_type=name)):
        assert [site.scheme for site in vqt.list_sites(model, given)] == [name]


ERRORS = [
    ({"bits": "8"}, 'QuantizationConfig: bits: expected an integer, got "8"'),
    ({"bits": True}, "QuantizationConfig: bits: expected an integer, got true"),
    ({"bits": 8.0}, "QuantizationConfig: bits: expected an integer, got 8.0"),
    ({"symmetric": 1}, "QuantizationConfig: symmetric: expected true or false, got 1"),
    ({"ignore": "head"}, 'QuantizationConfig: ignore: expected a list of strings, got "head"'),
    ({"bit": 8}, "QuantizationConfig: bit: no such field; nearest: bits"),
    ({"bits": 4, "num_bits": 4}, "QuantizationConfig: num_bits: the same field is given as bits too"),
    ({"bits": 8, "group_size": 64},
     "QuantizationConfig: group_size: 64 contradicts bits 8: only 4 bits are stored in groups"),
    ({"overrides": [{"targets": ["fc"], "bits": 5}]},
     "QuantizationConfig: overrides[0].bits: expected one of 4, 8, 16, got 5"),
    ({"algorithms": ["gptq"]},
     "QuantizationConfig: algorithms: gptq is not available in this version, which rounds to nearest without them; "
     "leave the list empty"),
]


@pytest.mark.parametrize("fields, message", ERRORS)
def test_errors_name_field_expected_and_got(fields: dict, message: str) -> None:
    with pytest.raises(vqt.ConfigError) as error:
        vqt.QuantizationConfig(**fields)
    assert str(error.value) == message
    assert isinstance(error.value, ValueError)


def test_other_errors(tmp_path: Path) -> None:
    with pytest.raises(vqt.ConfigError, match="expected strings, numbers, booleans and lists: Object of type set"):
        vqt.QuantizationConfig(ignore={"head"})
    with pytest.raises(vqt.ConfigError, match="QuantizationConfig: expected .*Out of range float"):
        vqt.QuantizationConfig(bits=float("nan"))
    with pytest.raises(vqt.ConfigError, match='got "mobil"; nearest: mobile'):
        vqt.QuantizationConfig.preset("mobil")
    with pytest.raises(vqt.ConfigError, match="config: line 1, column 2: names of fields stand in double quotes"):
        vqt.QuantizationConfig.from_json("{bits: 4}")
    with pytest.raises(vqt.ConfigError, match="no.json: cannot be read: No such file"):
        vqt.QuantizationConfig.from_file(tmp_path / "no.json")
    with pytest.raises(TypeError):
        vqt.QuantizationConfig("int4_group")
