"""PyTorch's training as a process, for comparisons: the requests and answers of train-jax.mjs.

    python3 -m venv V && V/bin/pip install torch && V/bin/python train-torch.py --file FILE --threads 2 [--compile]
"""

import argparse
import json
import struct
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--file", required=True)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--compile", action="store_true")
flags = parser.parse_args()


def answer(message):
    print(json.dumps(message), flush=True)


try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    answer({"error": f"{error}; `pip install torch` installs it"})
    sys.exit()

torch.set_num_threads(flags.threads)


def read(path):
    """Tensors and notes of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    notes = header.pop("__metadata__")
    types = {"F32": torch.float32, "I32": torch.int32}
    tensors = {
        name: torch.frombuffer(data[slice(*entry["data_offsets"])], dtype=types[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return tensors, json.loads(notes["workload"])


tensors, workload = read(flags.file)
initial = {name[len("params.") :]: value for name, value in tensors.items() if name.startswith("params.")}
batches = []
while f"batch.{len(batches)}.x" in tensors:
    x, y = (tensors[f"batch.{len(batches)}.{part}"] for part in "xy")
    batches.append((x if x.is_floating_point() else x.long(), y.long()))


def transformer(p, x):
    heads = workload["heads"]

    def norm(name, rows):
        return F.layer_norm(rows, rows.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])

    rows = F.embedding(x, p["embedding"]) + p["positions"]
    for layer in range(workload["layers"]):
        block = f"blocks.{layer}"
        seen = norm(f"{block}.attentionNorm", rows)
        q, k, v = (
            (seen @ p[f"{block}.{part}.weight"]).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        rows = rows + mixed.transpose(1, 2).flatten(2) @ p[f"{block}.output.weight"]
        raised = norm(f"{block}.mlpNorm", rows) @ p[f"{block}.mlp.up.weight"]
        active = F.gelu(raised) if workload["mlp"] == "gelu" else F.relu(raised)
        rows = rows + active @ p[f"{block}.mlp.down.weight"]
    return norm("norm", rows) @ p["embedding"].T


def convolutions(p, x):
    for i in range(2):
        x = F.relu(F.conv2d(x, p[f"convs.{i}.weight"], p[f"convs.{i}.bias"], stride=2, padding=2))
    rows = F.relu(x.flatten(1) @ p["hidden.weight"] + p["hidden.bias"])
    return rows @ p["head.weight"] + p["head.bias"]


def loss_of(p, x, y):
    logits = (transformer if workload["kind"] == "transformer" else convolutions)(p, x)
    return F.cross_entropy(logits.flatten(0, -2), y.flatten())


loss_of = torch.compile(loss_of) if flags.compile else loss_of
settings = workload["optimizer"]


def train(steps):
    params = {name: value.clone().requires_grad_() for name, value in initial.items()}
    optimizer = torch.optim.AdamW(
        params.values(),
        lr=settings["learningRate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        weight_decay=settings["weightDecay"],
        fused=True,
    )
    losses = []
    start = time.perf_counter()
    for step in range(steps):
        loss = loss_of(params, *batches[step % len(batches)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params.values(), settings["clip"])
        optimizer.step()
        losses.append(loss.item())
    return {"ms": 1000 * (time.perf_counter() - start), "losses": losses}


answer({"version": f"PyTorch {torch.__version__.split('+')[0]}"})
for line in sys.stdin:
    try:
        answer(train(json.loads(line)["steps"]))
    except Exception as error:  # what a compiler of a machine says can be anything
        answer({"error": str(error).strip().split("\n")[0]})
