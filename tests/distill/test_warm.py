"""After the warm-up no loop is compiled any more: a block of either engine finds all of them ready."""

import subprocess
import sys
from pathlib import Path

import pytest

from qorridor.distill import warm

ROOT = Path(__file__).parents[2]
BLOCKS = """
import importlib, pathlib, qorridor.distill
from qorridor.distill import warm
from tests.distill.lab import FAR, Line

names = sorted(path.stem for path in pathlib.Path(qorridor.distill.__path__[0]).glob("*_kernels.py"))

def compiled():
    modules = [importlib.import_module(f"qorridor.distill.{name}") for name in names if name != "modular_kernels"]
    return {
        f"{module.__name__}.{name}": len(loop.signatures)
        for module in modules for name, loop in vars(module).items() if hasattr(loop, "signatures")
    }

for stage in warm.STAGES:
    stage()
before = compiled()
for delay in (0.0, FAR):
    left, right = Line(delay=delay).block()
    assert left.key == right.key is not None
assert compiled() == before, {name for name, count in compiled().items() if count != before[name]}
print(sum(count > 0 for count in before.values()))  # what only loops call has none of its own
"""


@pytest.mark.compiled
def test_a_block_after_the_warm_up_compiles_nothing():
    """In a process of its own: what other tests have compiled does not count."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


@pytest.mark.parametrize("stage", warm.STAGES, ids=lambda stage: stage.__name__)
def test_each_stage_runs_on_few_bits_as_well(stage, monkeypatch):
    monkeypatch.setattr(warm, "_BITS", 1024)
    stage()
