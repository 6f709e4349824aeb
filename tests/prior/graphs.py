"""ONNX graphs with the signature of InsightFace's networks and random weights: the tests' stand-in for model files."""

from pathlib import Path

import numpy as np


def write_graph(path: Path, outputs: int = 212, side: int = 192, batch: int | str = 1, seed: int = 0) -> Path:
    """Write a small convolutional network, (batch, 3, side, side) -> (batch, outputs).

    Like 2d106det.onnx it begins with nodes that subtract 127.5 and divide by 128, by which insightface knows that the
    graph wants pixels of 0..255.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    weights = {
        "mean": np.full(1, 127.5),
        "scale": np.full(1, 1 / 128),
        "w1": rng.normal(0, 0.3, (8, 3, 7, 7)),
        "w2": rng.normal(0, 0.3, (16, 8, 5, 5)),
        "w3": rng.normal(0, 0.05, (16 * 9, outputs)),
        "b3": rng.normal(0, 0.3, outputs),
    }
    nodes = [
        helper.make_node("Sub", ["data", "mean"], ["a"], name="_minusscalar0"),
        helper.make_node("Mul", ["a", "scale"], ["b"], name="_mulscalar0"),
        helper.make_node("Conv", ["b", "w1"], ["c"], kernel_shape=[7, 7], strides=[4, 4]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "w2"], ["e"], kernel_shape=[5, 5], strides=[3, 3]),
        helper.make_node("Relu", ["e"], ["f"]),
        helper.make_node("AveragePool", ["f"], ["g"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "w3", "b3"], ["fc1"]),
    ]
    if side != 192:  # the pooled map has another size: pool to one cell a channel and widen
        nodes[6] = helper.make_node("GlobalAveragePool", ["f"], ["g"])
        weights["w3"] = weights["w3"][:16]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [batch, outputs])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def write_detector(path: Path, side: int, faces: list[tuple[float, ...]], seed: int = 0) -> Path:
    """Write a graph with SCRFD's nine outputs that always finds the same faces, whatever it is shown.

    A face is (left, top, right, bottom, score, x1, y1, ..., x5, y5) in pixels of a picture that is `side` px long. It
    is put on the stride-8 map, whose cells hold, two anchors each, distances from the cell in units of the stride.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    names, tensors, infos, nodes = [], [], [], [helper.make_node("ReduceSum", ["data"], ["sum"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["sum", "zero"], ["nothing"]))
    tensors.append(numpy_helper.from_array(np.zeros((), np.float32), "zero"))
    maps = {width: [] for width in (1, 4, 10)}
    for stride in (8, 16, 32):
        cells = side // stride
        for width, kept in maps.items():
            kept.append(rng.uniform(0, 0.1, (cells * cells * 2, width)))
    for left, top, right, bottom, score, *points in faces:
        column, row = round((left + right) / 16), round((top + bottom) / 16)
        x, y, place = 8 * column, 8 * row, 2 * (row * (side // 8) + column)
        maps[1][0][place] = score
        maps[4][0][place] = np.array([x - left, y - top, right - x, bottom - y]) / 8
        maps[10][0][place] = (np.array(points) - np.tile([x, y], 5)) / 8
    for width, kept in maps.items():
        for number, values in enumerate(kept):
            name = f"out{width}_{number}"
            tensors.append(numpy_helper.from_array(values.astype(np.float32), f"{name}_values"))
            nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(values.shape)))
            names.append(name)
    taken = [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])]
    graph = helper.make_graph(nodes, "stand-in", taken, infos, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path
