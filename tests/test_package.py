"""The package as a whole: light to import, its commands reachable."""

import subprocess
import sys
from importlib import import_module

import pytest

from llava_faba import cli


def test_importing_costs_neither_torch_nor_llava():
    program = "import sys, llava_faba; print(sorted({'torch', 'llava', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"llava-faba {name}" in capsys.readouterr().out.split("options:")[-1] + (
        import_module(f"llava_faba.commands.{name.replace('-', '_')}").__doc__ or ""
    )
