"""The graph of a BERT-like transformer, written from its weights. Only this module imports onnx.

torch's exporters trace operations one by one, and which of them an optimiser then recognises as attention changes with
every release: of the default model's six layers, none, with either exporter. The architecture is known, so its graph is
written here directly, with the fused operators of ONNX Runtime.

Multiplications take most of the time. In a compact graph their weights have eight bits, with a scale for each row
("per channel"), and what they are multiplied with is rounded to eight bits as it comes, with one scale for the text.
That costs most where few numbers are much larger than the others, which is after the activation function: there blocks
of ``BLOCK`` numbers have scales of their own, on both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.types import Embeddings

FUSED = "com.microsoft"
"""The domain of the operators that ONNX Runtime adds to ONNX."""

BLOCK = 64
MOST_BYTES = 2**31 - 2**20
"""Of weights in a graph: a message of Protocol Buffers, which it is, has less than 2 GiB."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a transformer; ``first_position`` is the row of the position embeddings that a text begins with."""

    layers: int
    heads: int
    epsilon: float
    first_position: int


def write_graph(shape: Architecture, weights: Mapping[str, Embeddings], *, compact: bool) -> bytes:
    """Write the graph from ``input_ids`` ``(1, t)`` to ``tokens`` ``(1, t, d)``, the embeddings of one text's tokens.

    Args:
        shape: the architecture.
        weights: as transformers names those of BERT.
        compact: multiply in eight bits.

    Raises:
        OverflowError: it has 2 GB or more, which its format cannot hold.
    """
    from onnx import TensorProto, helper

    graph = _Graph(compact)
    hidden = _write_embeddings(graph, shape, weights)
    for number in range(shape.layers):
        hidden = _write_layer(graph, shape, _under(weights, f"encoder.layer.{number}."), hidden)
    graph.add("Identity", [hidden], name="tokens")
    if (size := sum(len(tensor.raw_data) for tensor in graph.tensors)) > MOST_BYTES:
        raise OverflowError(f"a graph of {size} bytes")
    dimension = weights["embeddings.word_embeddings.weight"].shape[1]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "transformer",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "t"])],
            [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, "t", dimension])],
            graph.tensors,
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(FUSED, 1)],
        ir_version=10,
    )
    return bytes(model.SerializeToString())


@dataclass
class _Graph:
    compact: bool
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)

    def add(self, operator: str, inputs: list[str], *, domain: str = "", name: str = "", **options: Any) -> str:
        """Add an operator with one output, and return the output's name."""
        from onnx import helper

        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **options))
        return output

    def split(self, hidden: str, parts: list[str]) -> None:
        """Divide the last axis in equal parts."""
        from onnx import helper

        self.nodes.append(helper.make_node("Split", [hidden], parts, axis=2, num_outputs=len(parts)))

    def constant(self, values: NDArray[Any]) -> str:
        """Add a tensor, and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def linear(self, hidden: str, weight: Embeddings, bias: Embeddings, *, in_blocks: bool = False) -> str:
        """Add ``hidden @ weight.T + bias``, with scales for blocks where they fit and are wanted."""
        rows, columns = weight.shape
        if not self.compact:
            product = self.add("MatMul", [hidden, self.constant(weight.T)])
            return self.add("Add", [product, self.constant(bias)])
        if in_blocks and columns % BLOCK == 0:
            values, scales = _round(weight.reshape(rows, -1, BLOCK))
            inputs = [self.constant((values + 128).astype(np.uint8)), self.constant(scales)]
            options = {"K": columns, "N": rows, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
            return self.add("MatMulNBits", [hidden, *inputs, "", "", self.constant(bias)], domain=FUSED, **options)
        values, scales = _round(weight)
        inputs = [self.constant(values.astype(np.int8).T), self.constant(scales)]
        return self.add("DynamicQuantizeMatMul", [hidden, *inputs, "", self.constant(bias)], domain=FUSED)

    def add_and_norm(self, hidden: str, skipped: str, norm: Mapping[str, Embeddings], epsilon: float) -> str:
        """Add the normalised sum of two."""
        inputs = [hidden, skipped, self.constant(norm["weight"]), self.constant(norm["bias"])]
        return self.add("SkipLayerNormalization", inputs, domain=FUSED, epsilon=epsilon)


def _write_embeddings(graph: _Graph, shape: Architecture, weights: Mapping[str, Embeddings]) -> str:
    from onnx import TensorProto

    parts = _under(weights, "embeddings.")
    words = parts["word_embeddings.weight"]
    if graph.compact:  # half the file, and half of it to read before the first answer
        found = graph.add("Gather", [graph.constant(words.astype(np.float16)), "input_ids"])
        found = graph.add("Cast", [found], to=TensorProto.FLOAT)
    else:
        found = graph.add("Gather", [graph.constant(words), "input_ids"])
    # every text stands alone, so that all its tokens are of the first type
    places = parts["position_embeddings.weight"][shape.first_position :] + parts["token_type_embeddings.weight"][0]
    first, axis = graph.constant(np.array([0])), graph.constant(np.array([1]))
    length = graph.add("Shape", ["input_ids"], start=1, end=2)
    positions = graph.add("Slice", [graph.constant(places[None]), first, length, axis])
    return graph.add_and_norm(found, positions, _under(parts, "LayerNorm."), shape.epsilon)


def _write_layer(graph: _Graph, shape: Architecture, parts: Mapping[str, Embeddings], hidden: str) -> str:
    own = _under(parts, "attention.self.")
    weight, bias = (np.concatenate([own[f"{name}.{kind}"] for name in _ATTENTION]) for kind in ("weight", "bias"))
    together = graph.linear(hidden, weight, bias)
    apart = [f"{together}_{name}" for name in _ATTENTION]
    graph.split(together, apart)
    seen = graph.add("MultiHeadAttention", apart, domain=FUSED, num_heads=shape.heads)
    said = graph.linear(seen, parts["attention.output.dense.weight"], parts["attention.output.dense.bias"])
    hidden = graph.add_and_norm(said, hidden, _under(parts, "attention.output.LayerNorm."), shape.epsilon)
    wide = graph.linear(hidden, parts["intermediate.dense.weight"], parts["intermediate.dense.bias"])
    wide = graph.add("Gelu", [wide], domain=FUSED)
    narrow = graph.linear(wide, parts["output.dense.weight"], parts["output.dense.bias"], in_blocks=True)
    return graph.add_and_norm(narrow, hidden, _under(parts, "output.LayerNorm."), shape.epsilon)


_ATTENTION = ("query", "key", "value")


def _round(values: Embeddings) -> tuple[Embeddings, Embeddings]:
    """Round to whole numbers in [−127, 127], with a scale for each last axis."""
    scales = np.maximum(np.abs(values).max(axis=-1), np.finfo(np.float32).tiny) / 127
    return np.round(values / scales[..., None]), scales.astype(np.float32)


def _under(weights: Mapping[str, Embeddings], prefix: str) -> dict[str, Embeddings]:
    return {name.removeprefix(prefix): values for name, values in weights.items() if name.startswith(prefix)}
