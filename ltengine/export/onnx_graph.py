"""A growing ONNX graph: nodes and constants, named in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

# Old enough for every runtime of the last years.
OPERATOR_SET, IR_VERSION = 18, 8


class Graph:
    """Nodes in the order in which they compute."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, TensorProto] = {}

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; the name of its one output."""
        output = f"v{len(self._nodes) + 1}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """A named array."""
        self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def number(self, value: float) -> str:
        """A float32 scalar, stored once."""
        name = f"number.{value!r}"
        if name not in self._constants:
            self.constant(name, np.array(value, np.float32))
        return name

    def finish(
        self, output: str, inputs: int, outputs: int, description: dict[str, str]
    ) -> ModelProto:
        """The model: ``input`` (batch, inputs) to ``output`` (batch, outputs), both float32."""
        self._nodes.append(helper.make_node("Identity", [output], ["output"]))
        given = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", inputs])
        result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", outputs])
        graph = helper.make_graph(
            self._nodes, "ticket", [given], [result], list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            producer_name="ltforge",
            opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, description)
        return model
