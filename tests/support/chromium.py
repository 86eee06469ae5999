"""What a browser makes of a page: its console, and where its figures are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr")

# Says, as text of the page, of each figure where it is, and what colours its texts and the page have.
_PROBE: Final = """
<script>addEventListener("load", () => {
  const found = [...document.querySelectorAll("figure svg, img")].map(one => {
    const box = one.getBoundingClientRect(), text = one.querySelector("text");
    return {name: one.closest("figure")?.id ?? "picture", left: box.left, right: box.right, height: box.height,
            text: text ? getComputedStyle(text).fill : null};
  });
  const page = {figures: found, width: innerWidth, scroll: document.documentElement.scrollWidth,
                background: getComputedStyle(document.body).backgroundColor};
  document.body.innerHTML = "<pre id=probe>" + JSON.stringify(page) + "</pre>";
});</script>
"""


def console(page: Path) -> list[str]:
    """What the browser says of a page on its console."""
    done = _run(page, "--dump-dom")
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probe(page: Path, *, dark: bool = False, width: int = 900) -> dict[str, Any]:
    """Where the figures are, in a window of some width, with light or dark colours."""
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{_PROBE}</body>"), encoding="utf-8")
    framed = page.with_name("framed.html")  # a window may not be as narrow as a phone, a frame may
    script = (
        "onload = () => { document.title = 1; out.textContent = f.contentDocument.querySelector('#probe').textContent }"
    )
    framed.write_text(
        f'<iframe id="f" src="probed.html" style="width:{width}px;height:900px"></iframe><pre id="out"></pre>'
        f"<script>{script}</script>"
    )
    colours = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    done = _run(framed, "--dump-dom", "--allow-file-access-from-files", "--virtual-time-budget=5000", *colours)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(found.group(1))


def _run(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert PROGRAM is not None
    folder = f"--user-data-dir={page.parent / 'browser'}"
    words = [PROGRAM, *_FLAGS, folder, *flags, page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
