"""What a graph has to be before it is run: of itself, read as plain protobuf; then as onnxruntime understood it.

A graph is data, but a loop in it may never end, and its tensors may name files to read. Ours have no graphs within
graphs and name one file, the bundle's weights. The numbers of fields are those of onnx.proto (IR version 10).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from asr.bundle import DECODER, ENCODER, STAMP, WEIGHTS, Bundle, check_stamp
from asr.errors import BundleError

_FLOATS, _TOKENS = "tensor(float)", "tensor(int64)"
_FREE = None
_Ports = Mapping[str, tuple[str, tuple[int | None, ...]]]

# Fields that are messages and are looked into, by the message they stand in.
_WITHIN: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor"},
    "tensor": {13: "place"},
}
_REFUSED: Mapping[str, Mapping[int, str]] = {
    "model": {20: "training steps", 25: "functions"},
    "graph": {15: "sparse weights"},
    "attribute": {
        6: "a graph within the graph (a loop or a branch)",
        11: "graphs within the graph (a loop or a branch)",
        22: "sparse weights",
        23: "sparse weights",
    },
}
_LOCATION = b"location"


def check_graph(bundle: Bundle, name: str) -> None:
    """Raises BundleError for a graph with parts that ours never have, or which reads another file than the weights."""
    path = bundle.folder / name
    try:
        for found in _problems(path.read_bytes(), "model"):
            raise BundleError(f"{path}: found {found}, which no graph of `asr export` has; it is not run")
    except (IndexError, ValueError, OSError) as error:
        raise BundleError(f"{path}: no ONNX graph ({error}); copy the whole bundle again") from error


def check_sessions(bundle: Bundle, encoder: Any, decoder: Any) -> None:
    """Raises BundleError for inputs and outputs, or a tokenizer, that do not fit the bundle."""
    model = bundle.model
    layers, heads, vocabulary = model["decoder_layers"], model["heads"], bundle.tokenizer.vocabulary
    memory = (_FLOATS, (layers, 1, heads, _FREE, model["d_model"] // heads))
    past = (_FLOATS, (layers, _FREE, heads, _FREE, model["d_model"] // heads))
    wanted: Mapping[str, tuple[_Ports, _Ports]] = {
        ENCODER: (
            {"wave": (_FLOATS, (1, _FREE))},
            {"memory_keys": memory, "memory_values": memory, "ctc_log_probs": (_FLOATS, (1, _FREE, vocabulary))},
        ),
        DECODER: (
            {
                "tokens": (_TOKENS, (_FREE, 1)),
                **dict.fromkeys(("past_keys", "past_values"), past),
                **dict.fromkeys(("memory_keys", "memory_values"), memory),
            },
            {"log_probs": (_FLOATS, (_FREE, vocabulary)), **dict.fromkeys(("keys", "values"), past)},
        ),
    }
    for name, session in ((ENCODER, encoder), (DECODER, decoder)):
        path = bundle.folder / name
        for kind, ports, expected in zip(
            ("inputs", "outputs"), (session.get_inputs(), session.get_outputs()), wanted[name], strict=True
        ):
            found = {port.name: (port.type, tuple(_free(size) for size in port.shape)) for port in ports}
            if list(found.items()) != list(expected.items()):
                wrong = next((n for n in expected if found.get(n) != expected[n]), next(iter(found), "nothing"))
                raise BundleError(
                    f"{path}: among its {kind} is {_port(wrong, found)}, wanted {_port(wrong, expected)} by the "
                    "tokenizer and the settings; copy the whole bundle again"
                )
        check_stamp(path, session.get_modelmeta().custom_metadata_map.get(STAMP), bundle.tokenizer)


def _free(size: object) -> int | None:
    return size if isinstance(size, int) else _FREE


def _port(name: str, ports: _Ports) -> str:
    if name not in ports:
        return f"no {name[:40]!a}"
    kind, shape = ports[name]
    return f"{name[:40]!a} ({kind}, {['any' if size is _FREE else size for size in shape]})".replace("'any'", "any")


def _problems(message: bytes, kind: str) -> Iterator[str]:
    """What is refused in a message and in those within it."""
    place: dict[int, bytes] = {}
    for number, content in fields_of(message):
        if number in _REFUSED.get(kind, ()):
            yield _REFUSED[kind][number]
        elif number in _WITHIN.get(kind, ()):
            yield from _problems(content, _WITHIN[kind][number])
        elif kind == "place":
            place[number] = content
    if kind == "place" and place.get(1) == _LOCATION and place.get(2) != WEIGHTS.encode():
        yield f"weights in the file {place.get(2, b'')[:60].decode(errors='replace')!a}"


def fields_of(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message that are messages, texts or bytes; numbers are passed over."""
    at = 0
    while at < len(message):
        tag, at = (message[at], at + 1) if message[at] < 0x80 else _varint(message, at)  # nearly all are this short
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            size, at = (message[at], at + 1) if message[at] < 0x80 else _varint(message, at)
            if at + size > len(message):
                raise ValueError("it ends too early")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError("it is no protobuf message")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("it is no protobuf message")
