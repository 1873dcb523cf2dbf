"""Bundles and checkpoints that others made, or that were damaged: each works or gets one line; none is executed."""

import hashlib
import json
import math
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import ROOT, TinyModel
from onnx import TensorProto, helper

from asr.apps.cli import app, run
from asr.audio.load import load_audio
from asr.bundle import DecodingSettings, read_bundle, record_score
from asr.commands.rejection import Rejection
from asr.errors import AsrError, BundleError, SettingsError
from asr.runtime.commander import Commander
from asr.runtime.transcriber import Transcriber
from asr.text.tokenizer import Tokenizer
from asr.training.export import export_run

WAVE = load_audio(ROOT / "tests" / "data" / "english_ccc" / "T_26599.opus")
VALUES: list[Any] = [
    None, True, 0, -1, 1, 3, 10**9, 10**30, 10**400, 0.5, 3.5, -2.5, 1e29, math.nan, math.inf, -math.inf,
    "", "4", "\x1b[31m", "\ud800", [], [1], [[]], {}, {"a": 1},
]  # fmt: skip


@pytest.fixture
def copy(willing_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(willing_bundle, tmp_path / "copy"))


def settings_of(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / "bundle.json").read_text())
    return settings


def rehash(folder: Path) -> None:
    settings = settings_of(folder)
    for name in settings["files"]:
        content = (folder / name).read_bytes()
        settings["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "bundle.json").write_text(json.dumps(settings))


def use(folder: Path) -> None:
    """Everything that a bundle is asked for."""
    transcriber = Transcriber.from_bundle(folder, threads=1)
    transcriber.transcribe(WAVE)
    if transcriber.bundle.rejection is not None:
        try:
            Rejection.from_dict(transcriber.bundle.rejection)
        except SettingsError as error:
            raise BundleError(str(error)) from error
    assert 0 < transcriber.bundle.features.hop_seconds * transcriber.bundle.model["stack"] <= 100


def complaint(act: Callable[[], object]) -> str | None:
    """The message of an error that a person can mend, which is one line; None where there is none."""
    try:
        act()
    except AsrError as error:
        message = str(error)
    else:
        return None
    assert message.isprintable(), message
    return message


def one_line(folder: Path, act: Callable[[], object], *wanted: str) -> None:
    with pytest.raises(AsrError) as raised:
        act()
    message = str(raised.value)
    assert message.isprintable(), message
    assert len(message) < 700
    assert str(folder) in message
    for each in wanted:
        assert each in message


# Settings


def places(settings: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(settings, dict) and path[:1] not in (("provenance",), ("scores",)):
        for name in settings:
            yield from places(settings[name], (*path, name))


def changed(settings: Any, path: tuple[str, ...], value: Any) -> Any:
    return {**settings, path[0]: changed(settings.get(path[0]), path[1:], value)} if path else value


def without(settings: Any, path: tuple[str, ...]) -> Any:
    if len(path) == 1:
        return {name: each for name, each in settings.items() if name != path[0]}
    return {**settings, path[0]: without(settings[path[0]], path[1:])}


@pytest.mark.slow
def test_a_damaged_setting_gets_one_line_or_the_bundle_works(copy: Path) -> None:
    whole, working, refused = settings_of(copy), set(), 0
    for path in places(whole):
        variants = [changed(whole, path, value) for value in VALUES]
        if path:
            variants += [without(whole, path), changed(whole, (*path[:1], "new"), 1) if path[1:] else whole]
        for settings in variants:
            (copy / "bundle.json").write_text(json.dumps(settings))
            message = complaint(lambda: read_bundle(copy))
            if message is not None:
                refused += 1
                assert str(copy) in message
                contradicted = "wanted [" in message or "wanted None by" in message  # by the weights
                named = path[path[0] == "files" and len(path) > 1] if path and not contradicted else ""
                assert named in message, message
                continue
            bundle = read_bundle(copy)
            # Nothing else changes what is transcribed, and each takes a moment.
            if bundle.decoding not in working and len(working) < 10:
                complaint(lambda: use(copy))
                working.add(bundle.decoding)
            if bundle.rejection is not None:
                complaint(partial(Rejection.from_dict, bundle.rejection))
    assert refused > 800
    assert len(working) > 5


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000, '{"format": 1e999}', "\ufeff{}", '"asr-bundle"', "null", "\x00"],
)  # fmt: skip
def test_text_that_is_no_settings_gets_one_line(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_text(text)
    one_line(copy, lambda: read_bundle(copy), "bundle.json")
    one_line(copy, lambda: record_score(copy, "dev", {}), "bundle.json")
    (copy / "bundle.json").write_bytes(b'{"format": "\xff"}')
    one_line(copy, lambda: read_bundle(copy), "bundle.json")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("width", 0), ("width", 1_001), ("width", 3.5), ("width", True), ("width", 10**30), ("width", "4"),
        ("command_width", 1), ("command_width", 10**6), ("length_penalty", 1e29), ("length_penalty", math.nan),
        ("length_penalty", -0.1), ("ctc_weight", 1), ("ctc_weight", None), ("command_ctc_weight", 1.0),
        ("command_ctc_weight", -0.1), ("margin_seconds", math.inf), ("margin_seconds", 5.1),
    ],
)  # fmt: skip
def test_what_no_search_can_do_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^decoding: {setting} is "):
        DecodingSettings(**{setting: value})


def test_a_beam_beyond_all_use_is_refused(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = str(ROOT / "recipes" / "commands" / "samples" / "five_five.flac")
    assert run(app, ["transcribe", "--beam", "1000000", "--bundle", str(tiny_bundle), sample], "asr") == 1
    said = "decoding: width is 1000000; it must be a whole number at least 1 and at most 1,000"
    assert capsys.readouterr().err == f"asr: {said}\n"


def test_half_a_surrogate_pair_is_kept_as_it_is(copy: Path) -> None:
    settings = settings_of(copy)
    settings["provenance"]["odd"] = "\ud800"
    (copy / "bundle.json").write_text(json.dumps(settings))
    record_score(copy, "dev", {"wer": 0.5})
    assert read_bundle(copy).provenance["odd"] == "\ud800"


# Files


def test_a_bundle_goes_by_any_kind_of_path(willing_bundle: Path, tmp_path: Path) -> None:
    wanted = Transcriber.from_bundle(willing_bundle).transcribe(WAVE)
    assert Transcriber.from_bundle(str(willing_bundle)).transcribe(WAVE) == wanted
    grammar = tmp_path / "g.yaml"
    grammar.write_text("language: en\ncommands:\n  stop: [stop it]\n")
    for commands in ([grammar], [str(grammar)], str(grammar), grammar):
        assert Commander.from_bundle(str(willing_bundle), commands).network is not None


@pytest.mark.parametrize("folder", ["", "a\x00b"])
def test_a_name_that_is_none_gets_one_line(folder: str) -> None:
    with pytest.raises(BundleError):
        Transcriber.from_bundle(folder)


def test_a_link_instead_of_a_file_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "encoder.onnx").rename(tmp_path / "elsewhere.onnx")
    (copy / "encoder.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    one_line(copy, lambda: read_bundle(copy), "encoder.onnx", "link")


def test_encoder_and_decoder_exchanged(copy: Path) -> None:
    (copy / "encoder.onnx").rename(copy / "x")
    (copy / "decoder.onnx").rename(copy / "encoder.onnx")
    (copy / "x").rename(copy / "decoder.onnx")
    rehash(copy)
    one_line(copy, lambda: use(copy), "encoder.onnx", "'wave'")


def test_a_tokenizer_of_another_size_and_one_of_the_same(copy: Path, tiny: TinyModel) -> None:
    texts = (ROOT / "recipes" / "commands" / "commands.txt").read_text(encoding="utf-8").splitlines()
    for lines, wanted in ((texts, "ctc.weight"), (texts[::2], "was made with the tokenizer")):
        other = Tokenizer.train(lines, tiny.tokenizer.vocabulary - 10 * (lines is texts))
        assert other.digest != tiny.tokenizer.digest
        (copy / "tokenizer.model").write_bytes(other.model)
        rehash(copy)
        one_line(copy, lambda: read_bundle(copy), wanted)


def test_the_graphs_name_their_tokenizer_too(copy: Path) -> None:
    """Of weights that say nothing of it, as those of earlier exports."""
    weights, graph = copy / "weights.safetensors", onnx.load(copy / "decoder.onnx", load_external_data=False)
    content = weights.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = content[8 : 8 + size].replace(b"tokenizer.sha256", b"tokenizer.sha25_")
    weights.write_bytes(content[:8] + header + content[8 + size :])
    rehash(copy)
    use(copy)
    graph.metadata_props[0].value = "0" * 64
    (copy / "decoder.onnx").write_bytes(graph.SerializeToString())
    rehash(copy)
    one_line(copy, lambda: use(copy), "decoder.onnx", "was made with the tokenizer")


@pytest.mark.parametrize(
    "header", [b"", b"\xff" * 8, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a":null']
)
def test_weights_that_are_none(copy: Path, header: bytes) -> None:
    (copy / "weights.safetensors").write_bytes(header)
    rehash(copy)
    one_line(copy, lambda: read_bundle(copy), "weights.safetensors")


# Graphs


def endless(model: onnx.ModelProto) -> None:
    true = helper.make_node("Identity", ["going"], ["again"])
    grown = helper.make_node("Add", ["value", "value"], ["twice"])
    body = helper.make_graph(
        [true, grown], "body",
        [
            helper.make_tensor_value_info("n", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, None),
        ],
    )  # fmt: skip
    forever = helper.make_tensor("forever", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(forever)
    first = model.graph.node[0]
    model.graph.node.append(helper.make_node("Loop", ["", "forever", first.output[0]], ["looped"], body=body))


def huge(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for number, name in enumerate(node.output):
            if name == model.graph.output[0].name:
                node.output[number] = "before"
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [1 << 42])
    model.graph.initializer.append(shape)
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
            helper.make_node("ReduceMax", ["huge"], ["largest"], keepdims=0),
            helper.make_node("Add", ["before", "largest"], [model.graph.output[0].name]),
        ]
    )


def with_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("own", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], model.opset_import)
    )


def elsewhere(place: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL)
        next(entry for entry in tensor.external_data if entry.key == "location").value = place

    return change


def within_a_constant(model: onnx.ModelProto) -> None:
    value = helper.make_tensor("x", TensorProto.FLOAT, [1], [0.0])
    value.data_location = TensorProto.EXTERNAL
    value.ClearField("float_data")
    value.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["read"], value=value))


def renamed(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "surprise"


def of_doubles(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


CRAFTED = {
    "a loop or a branch": endless,
    "cannot be run|do not load": huge,
    "functions": with_function,
    "'../weights.safetensors'": elsewhere("../weights.safetensors"),
    "'/dev/zero'": elsewhere("/dev/zero"),
    "'./weights.safetensors'": elsewhere("./weights.safetensors"),
    "'decoder.onnx'": elsewhere("decoder.onnx"),
    "'/etc/passwd'": within_a_constant,
    "do not load|among its outputs": renamed,
    "do not load|among its inputs": of_doubles,
}


@pytest.mark.parametrize("graph", ["encoder.onnx", "decoder.onnx"])
@pytest.mark.parametrize("message", CRAFTED)
def test_a_crafted_graph_gets_one_line(copy: Path, graph: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(copy / graph, load_external_data=False)
    CRAFTED[message](model)
    (copy / graph).write_bytes(model.SerializeToString())
    rehash(copy)
    with pytest.raises(BundleError, match=message) as raised:
        use(copy)
    assert str(raised.value).isprintable()
    assert str(copy) in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"ORTM", b"\x00" * 100, b"\xff" * 100, b"\x3a\x05ab", b"\x08\x0a"])
def test_a_graph_that_is_none(copy: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    (copy / "decoder.onnx").write_bytes(content)
    rehash(copy)
    one_line(copy, lambda: use(copy))
    assert capfd.readouterr() == ("", "")


def test_damaged_graphs_and_tokenizers_get_one_line_or_work(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for name, turns in (("decoder.onnx", 10), ("encoder.onnx", 10), ("tokenizer.model", 20)):
        whole = (copy / name).read_bytes()
        for _ in range(turns):
            damaged = bytearray(whole)
            for place in random.integers(len(whole), size=random.integers(1, 6)):
                damaged[place] = random.integers(256)
            (copy / name).write_bytes(damaged)
            rehash(copy)
            complaint(lambda: use(copy))
        (copy / name).write_bytes(whole)
    assert capfd.readouterr() == ("", "")


# Checkpoints


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_foreign_checkpoint_gets_one_line_and_runs_nothing(tiny: TinyModel, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = run / "checkpoints" / "step=1.ckpt"
    shutil.copytree(tiny.run, run)
    good = torch.load(path, weights_only=True)
    plain, states = good["asr"], good["state_dict"]
    cases: list[Any] = [
        b"", b"zip?", b"PK\x03\x04" + bytes(100), pickle.dumps({"asr": 1}), pickle.dumps(Evil(tmp_path / "owned")),
        Evil(tmp_path / "owned"), {"asr": Evil(tmp_path / "owned")}, torch.zeros(3), [1], {},
        {**good, "asr": 5}, {**good, "asr": {}}, {**good, "state_dict": {}}, {**good, "state_dict": None},
        {**good, "state_dict": {name: weight[:1] for name, weight in states.items()}},
        {**good, "state_dict": dict.fromkeys(states, 1)}, {**good, "global_step": "many"},
        *({**good, "asr": {**plain, name: value}} for name in plain for value in (None, [], {"x": 1}, b"x", -1)),
    ]  # fmt: skip
    for case in cases:
        path.write_bytes(case) if isinstance(case, bytes) else torch.save(case, path)
        with pytest.raises(AsrError) as raised:
            export_run(run, tmp_path / "out")
        message = str(raised.value)
        assert message.isprintable(), message
        assert str(path) in message
        assert "weights_only" not in message
        assert sorted(each.name for each in tmp_path.iterdir()) == ["run"]
