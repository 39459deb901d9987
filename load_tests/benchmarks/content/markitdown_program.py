"""MarkItDown in an environment of its own, so that ours stays as it is.

In: files. Out: their text as Markdown, and the CPU time of the conversion without its imports.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.runtime.installation import working_folder
from load_tests.benchmarks.common.environments import install_environment, read_package_version

PACKAGE = "markitdown[pdf,docx,pptx]==0.1.9"
FOLDER = working_folder() / ".mobula" / "bench" / "markitdown"
_CODE = """
import json, sys, time
from markitdown import MarkItDown
converter = MarkItDown(enable_plugins=False)
began = time.process_time()
text = converter.convert(sys.argv[1]).text_content
json.dump([text, time.process_time() - began], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class MarkItDown:
    python: Path
    version: str

    @classmethod
    def installed(cls, folder: Path = FOLDER) -> "MarkItDown":
        """Installs it unless it is there. Raises MissingRequirement."""
        python, stamp = folder / "bin" / "python", folder / "installed.txt"
        if not stamp.exists() or stamp.read_text() != PACKAGE:
            install_environment(folder, [PACKAGE])
            stamp.write_text(PACKAGE)
        return cls(python, read_package_version(folder, "markitdown"))

    def convert(self, file: Path) -> tuple[str, float]:
        """Raises subprocess.CalledProcessError."""
        command = [str(self.python), "-c", _CODE, str(file)]
        found = subprocess.run(command, capture_output=True, check=True).stdout
        text, cpu_s = json.loads(found)
        return text, cpu_s
