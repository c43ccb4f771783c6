"""AMD's own Python binding, unmodified, on a library that we built: structs, symbols and error codes are the real ones.

In a process of its own, since the binding looks for its library once, when it is imported.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SYMBOL = re.compile(r"_libraries\['libamd_smi\.so'\]\.(\w+)")
SCRIPT = """
from joulewise.devices.amdsmi import driver
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.errors import PermissionDeniedError, UsageError

frozen, good = found = driver.find(Host())
assert [gpu.identity.uid for gpu in found] == ["0000:05:00.0", "0000:c1:00.0"], found
assert good.identity.aliases == ("c1ff74a1-0000-1000-8000-000000000001",)
assert good.read_power_w() == 303 and Kind.POWER_AVERAGE not in good.capabilities
assert abs(good.capabilities[Kind.ENERGY_COUNTER].resolution - 15.259e-6) < 1e-9
assert good.read_energy_j() > 0
assert Kind.ENERGY_COUNTER not in frozen.capabilities and "stood still" in frozen.rejected
assert good.capabilities[Kind.POWER_LIMIT].minimum == 100
good.set_power_limit_w(200)
assert good.read_power_limit_w() == 200 == good.read_power_w()
for gpu, limit_w, wanted in ((good, 900, UsageError), (frozen, 200, PermissionDeniedError)):
    try:
        gpu.set_power_limit_w(limit_w)
    except wanted:
        continue
    raise SystemExit(f"{wanted} was not raised")
print([finding.found for finding in driver.examine(Host())])
"""


def build(wrapper, folder):
    """A library with every symbol that the binding wants at import."""
    code = (HERE / "fake_amd_smi.c").read_text(encoding="utf-8")
    wanted = sorted(set(SYMBOL.findall(wrapper.read_text(encoding="utf-8"))))
    absent = [name for name in wanted if not re.search(rf"^int {name}\(", code, re.MULTILINE)]
    source = folder / "amd_smi.c"
    source.write_text(code + "".join(f"int {name}(void) {{ return 2; }}\n" for name in absent), encoding="utf-8")
    (folder / "lib").mkdir()
    library = folder / "lib" / "libamd_smi.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", source, "-o", library], check=True)


@pytest.mark.skipif(find_spec("amdsmi") is None, reason="amdsmi is not installed")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build a library with")
def test_real_binding_on_a_library_of_ours(tmp_path):
    wrapper = Path(find_spec("amdsmi").submodule_search_locations[0]) / "amdsmi_wrapper.py"
    build(wrapper, tmp_path)
    environ = os.environ | {
        "ROCM_PATH": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    environ.pop("ROCM_HOME", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True, False]\n", "")


IMPORTS = """
import sys
import joulewise.devices.amdsmi, joulewise.devices.apple, joulewise.devices.redfish
print(sorted({"amdsmi", "zeus_apple_silicon"} & set(sys.modules)))
"""


def test_importing_drivers_imports_no_sdk():
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
